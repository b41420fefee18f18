//! SQLite, compiled in. Everything here is synchronous: whoever waits for it runs it on a thread of its own
//! ([`worker::run`]), and ends it from outside with a [`connection::Stop`].

pub mod apply;
pub mod checks;
pub mod connection;
pub mod digest;
pub mod error;
pub mod explain;
pub mod facts;
pub mod observe;
pub mod schema;
pub mod sizes;
pub mod statistics;
pub mod traffic;
pub mod worker;
