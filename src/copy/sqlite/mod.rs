//! Copies of SQLite databases: a source taken once, page for page, kept in the cache, and copied for every pass.

pub mod base;
pub mod file;
pub mod scratch;

use crate::copy::unpack::Packing;
use std::path::PathBuf;

/// Where the data comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqliteSource {
    /// A database file.
    File(PathBuf),
    /// SQL text, as `.dump` of the sqlite3 shell writes it.
    Script {
        /// The file.
        path: PathBuf,
        /// How it is compressed, if it is.
        packing: Option<Packing>,
    },
    /// No data at all.
    Empty,
}

impl SqliteSource {
    /// What people call it.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) | Self::Script { path, .. } => path.display().to_string(),
            Self::Empty => "empty".to_owned(),
        }
    }
}
