//! PostgreSQL: servers of our own, sessions, and what can be read from them.

pub mod apply;
pub mod attribute;
pub mod binaries;
pub mod catalog;
pub mod command;
pub mod count;
pub mod draw;
pub mod explain;
pub mod facts;
pub mod fetch;
pub mod identify;
pub mod launch;
pub mod observe;
pub mod parameters;
mod probe;
pub mod sample;
pub mod schema_dump;
pub mod server;
pub mod session;
pub mod settle;
mod standstill;
pub mod statistics;
pub mod traffic;
mod under_way;
pub mod violators;
pub mod volatile;
