//! Everything that can be wrong with migrations before a server sees them.

use super::source_file::SourceFileError;

/// Migrations that cannot be read or rehearsed. All of these are wrong usage or configuration.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// A file that cannot be read.
    #[error(transparent)]
    File(#[from] SourceFileError),
}
