//! Copies of SQLite databases: a source taken once, page for page, kept in the cache, and copied for every pass.

pub mod base;
pub mod file;
pub mod scratch;
mod source;

pub use source::SqliteSource;
