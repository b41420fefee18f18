//! What people and machines read. Only this module writes stdout.

pub mod human;
pub mod read;
pub mod redact;
pub mod v1;
pub mod visible;
