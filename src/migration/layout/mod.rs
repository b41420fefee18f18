//! How each migration tool names, orders and groups its files.

pub mod atlas;
pub mod cut;
pub mod dbmate;
pub mod detect;
mod folder;
pub mod golang_migrate;
pub mod goose;
mod pattern;
pub mod plain;
mod sections;
pub mod site;
pub mod sqlx;
pub mod supabase;
pub mod tree;

pub use cut::Cut;
pub(crate) use folder::{Folder, dotenv, files_in, found, hint, sort_by_version};
pub use site::{Evidence, Site};
pub use tree::{LayoutOptions, MigrationFile, MigrationTree, Request, Script};

use super::history::{Row, Selection};
use super::script::StatementKind;
use super::{Connection, HistoryWrite, MigrationError, TransactionMode};

/// A tool's way with its files. A new layout is one file and one line in [`LAYOUTS`].
pub trait Layout: Sync {
    /// As in `--layout`.
    fn name(&self) -> &'static str;

    /// Folders, relative to the project, in which the tool looks for migrations by default; nearest to the rule first.
    fn homes(&self) -> &'static [&'static str];

    /// What speaks for this layout; `None` if these cannot be its files.
    fn detect(&self, site: &Site) -> Option<Evidence>;

    /// Reads the files.
    ///
    /// # Errors
    /// What the tool itself would stop at, and files that cannot be read.
    fn read(&self, request: &Request<'_>) -> Result<MigrationTree, MigrationError>;

    /// What the tool would run now, given the rows of its history table (`None`: there is no such table).
    ///
    /// # Errors
    /// What the tool refuses to go on with; rows that are not its own.
    fn select(&self, tree: &MigrationTree, rows: Option<&[Row]>) -> Result<Selection, MigrationError>;

    /// The statements the tool sends for a script.
    ///
    /// # Errors
    /// Text that cannot be cut, a placeholder without a value.
    fn cut(&self, _tree: &MigrationTree, _file: &MigrationFile, script: &Script) -> Result<Vec<Cut>, MigrationError> {
        cut::cut(script)
    }

    /// How the tool runs one pending file and what it notes down. `previous` is the version that is the newest when it
    /// begins.
    ///
    /// # Errors
    /// What the tool or the server would stop at for certain.
    fn grouping(
        &self,
        tree: &MigrationTree,
        file: &MigrationFile,
        cuts: &[Cut],
        previous: Option<&str>,
    ) -> Result<Grouping, MigrationError>;

    /// How the tool connects.
    fn connection(&self) -> Connection {
        Connection::default()
    }
}

/// Every layout.
pub const LAYOUTS: [&dyn Layout; 7] = [
    &atlas::Atlas,
    &dbmate::Dbmate,
    &golang_migrate::GolangMigrate,
    &goose::Goose,
    &sqlx::Sqlx,
    &supabase::Supabase,
    &plain::Plain,
];

/// How one file runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    /// How its statements are grouped.
    pub transaction: TransactionMode,
    /// What the runner notes down.
    pub history: Option<HistoryWrite>,
    /// What people should know.
    pub notes: Vec<String>,
}

/// The layout called `name`.
///
/// # Errors
/// There is none.
pub fn named(name: &str) -> Result<&'static dyn Layout, MigrationError> {
    LAYOUTS.into_iter().find(|layout| layout.name() == name).ok_or_else(|| MigrationError::UnknownLayout {
        name: name.to_owned(),
        known: LAYOUTS.map(Layout::name).join(", "),
    })
}

/// Reads what the request names. `layout` is the name given with `--layout`; it is detected when left out. More than
/// one tree: only the history table on the copy can tell which it is.
///
/// # Errors
/// A path that is missing, empty or not text; files the layout does not allow; an unknown layout.
pub fn read(request: &Request<'_>, layout: Option<&str>) -> Result<Vec<MigrationTree>, MigrationError> {
    if request.paths.is_empty() || request.paths.iter().any(|path| path.as_os_str().is_empty()) {
        return Err(MigrationError::NothingGiven);
    }
    if let Some(missing) = request.paths.iter().find(|path| !path.exists()) {
        return Err(MigrationError::Missing { path: missing.clone() });
    }
    match (layout, &request.options.pattern) {
        (Some(name), Some(_)) if name != plain::Plain.name() => Err(MigrationError::Option {
            layout: named(name)?.name(),
            option: "pattern",
            reason: "its file names are the tool's own: leave out one of the two".to_owned(),
        }),
        (Some(name), _) => Ok(vec![named(name)?.read(request)?]),
        (None, Some(_)) => {
            let tree = plain::Plain.read(request)?;
            Ok(vec![MigrationTree { detected: Some("file names as `pattern` says".to_owned()), ..tree }])
        }
        (None, None) => detect::detect(request),
    }
}

/// How the server runs several statements that arrive as one string: together in one transaction, unless the script
/// commits by itself; a single one is on its own.
pub(crate) fn sent_as_one_string(kinds: &[StatementKind]) -> TransactionMode {
    match kinds.iter().position(StatementKind::is_transaction_control) {
        Some(0) => TransactionMode::Explicit,
        None if kinds.len() == 1 => TransactionMode::None,
        _ => TransactionMode::PerMigration,
    }
}

/// A value as a string literal.
pub(crate) fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

#[cfg(test)]
#[path = "tests.rs"]
pub(crate) mod tests;
