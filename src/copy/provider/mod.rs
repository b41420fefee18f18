//! Services that hand out clones of a database over HTTP.

pub mod dblab;
pub mod http;
mod keeper;
pub mod neon;
mod record;
mod retry;
pub mod service;

pub use keeper::{Held, Keeper};
pub use record::{open_records, sweep_clones};
