//! Where hot queries are registered.

pub mod sql_file;

use super::HotQuery;
use std::path::{Path, PathBuf};

/// Reads the hot queries of every file, and of every `*.sql` file below every directory, sorted by path.
///
/// `root` is what the names of files are relative to.
///
/// # Errors
/// A path that cannot be read or holds no queries, or a query that cannot be understood; always with its place.
pub fn load(paths: &[PathBuf], root: &Path) -> Result<Vec<HotQuery>, WorkloadError> {
    let _ = (paths, root);
    Ok(Vec::new())
}

/// Hot queries that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// A path that cannot be read, or without queries.
    #[error("{path}: {reason}", path = path.display())]
    Path {
        /// As given.
        path: PathBuf,
        /// What is wrong with it, and the next step.
        reason: String,
    },
    /// A place in a file.
    #[error("{file}:{line}: {reason}")]
    Place {
        /// The file's name for people.
        file: String,
        /// 1-based line.
        line: usize,
        /// What is wrong there, and the next step.
        reason: String,
    },
}
