//! Where hot queries are registered.

pub mod sql_file;
