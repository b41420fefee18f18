//! How each migration tool names, orders and groups its files.

pub mod plain;
pub mod sqlx;
