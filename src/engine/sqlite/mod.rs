//! SQLite, compiled in. Everything here is synchronous: whoever waits for it runs it on a thread of its own
//! ([`worker::run`]), and ends it from outside with a [`connection::Stop`].

pub mod connection;
pub mod error;
pub mod explain;
pub mod facts;
pub mod schema;
pub mod statistics;
pub mod traffic;
pub mod worker;
