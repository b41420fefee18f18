//! What people and machines read. Only this module writes stdout.

pub mod markdown;
pub mod text;
pub mod v1;
