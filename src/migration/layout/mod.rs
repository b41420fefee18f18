//! How each migration tool names, orders and groups its files.

pub mod atlas;
pub mod cut;
pub mod dbmate;
pub mod detect;
pub mod diesel;
pub mod drizzle;
pub mod flyway;
mod folder;
pub mod golang_migrate;
pub mod goose;
pub mod graphile_migrate;
mod json5;
pub mod liquibase;
pub mod node_pg_migrate;
mod pattern;
pub mod plain;
pub mod prisma;
mod psql;
pub mod refinery;
mod sections;
pub mod site;
pub mod sqitch;
mod sqlite;
pub mod sqlx;
pub mod supabase;
pub mod tern;
pub mod tree;
pub mod writing;
pub use cut::Cut;
pub(crate) use folder::{
    Folder, Found, Siblings, files_below, files_in, found, hint, migration_folders, one_directory, sort_by_version,
    take_back,
};
pub use site::{Evidence, Site};
pub(crate) use tree::ANY_TRANSACTION;
pub use tree::{LayoutOptions, MigrationFile, MigrationTree, Request, Script, Understands};

use super::history::{Row, Selection};
use super::script::{Dialect, StatementKind};
use super::{Connection, HistoryWrite, MigrationError, SourceFile, TransactionMode};
use sha2::Digest;
use writing::{File, Replacement};

/// A tool's way with its files. A new layout is one file, one line in [`LAYOUTS`], and its name in a report
/// ([`crate::report::v1::Layout`]).
pub trait Layout: Sync {
    /// As in `--layout`.
    fn name(&self) -> &'static str;

    /// Folders, relative to the project, in which the tool looks for migrations by default; nearest to the rule first.
    fn homes(&self) -> &'static [&'static str];

    /// Which settings of a layout mean anything to the tool.
    fn understands(&self) -> Understands;

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
    fn cut(&self, tree: &MigrationTree, _file: &MigrationFile, script: &Script) -> Result<Vec<Cut>, MigrationError> {
        cut::cut(script, tree.dialect())
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

    /// How the tool runs the script that undoes a file, and whether its history row goes in the script's transaction: as
    /// it would run the same script forwards. No mode where the tool stops at such a script, which is no reason not to
    /// rehearse the way forward.
    fn grouping_down(
        &self,
        tree: &MigrationTree,
        file: &MigrationFile,
        down: &Script,
        cuts: &[Cut],
    ) -> (Option<TransactionMode>, bool) {
        let turned = MigrationFile { up: down.clone(), down: None, byte_order_mark: false, ..file.clone() };
        let Ok(grouping) = self.grouping(tree, &turned, cuts, None) else { return (None, false) };
        let in_transaction = grouping.history.is_some_and(|history| history.in_transaction);
        (Some(grouping.transaction), in_transaction)
    }

    /// The whole folder with other statements in the place of some migrations', for a tool whose migrations cannot be
    /// written one by one: they share a file, are listed in one, or are chained. `None` for any other.
    ///
    /// # Errors
    /// Why they cannot be written, for people.
    fn write(&self, _tree: &MigrationTree, _replaced: &[Replacement]) -> Result<Option<Vec<File>>, String> {
        Ok(None)
    }

    /// Whether the tool runs migrations of an engine.
    fn supports(&self, _dialect: Dialect) -> bool {
        true
    }

    /// How the tool connects.
    fn connection(&self, _tree: &MigrationTree) -> Connection {
        Connection::default()
    }
}

/// Every layout.
pub const LAYOUTS: [&dyn Layout; 17] = [
    &atlas::Atlas,
    &dbmate::Dbmate,
    &diesel::Diesel,
    &drizzle::Drizzle,
    &flyway::Flyway,
    &golang_migrate::GolangMigrate,
    &goose::Goose,
    &graphile_migrate::GraphileMigrate,
    &liquibase::Liquibase,
    &node_pg_migrate::NodePgMigrate,
    &prisma::Prisma,
    &refinery::Refinery,
    &sqitch::Sqitch,
    &sqlx::Sqlx,
    &supabase::Supabase,
    &tern::Tern,
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
        (Some(name), _) => {
            let layout = named(name)?;
            detect::refuse_unsupported(layout, request.dialect())?;
            layout.understands().check(layout.name(), request.options)?;
            Ok(vec![detect::as_asked(layout, request)?])
        }
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

/// How a file runs in the transaction its runner opens for it. A script that commits by itself ends that one, which is
/// noted; whatever the runner sends next is outside.
pub(crate) fn in_runners_transaction(
    runner: &str,
    source: &SourceFile,
    cuts: &[Cut],
    notes: &mut Vec<String>,
) -> TransactionMode {
    let Some(at) = cuts.iter().position(|cut| cut.kind(source).is_transaction_control()) else {
        return TransactionMode::PerMigration;
    };
    let line = source.position(cuts[at].span.start).line;
    notes.push(format!("{}:{line}: the script commits by itself, inside the transaction {runner} opened", source.name));
    if at == 0 { TransactionMode::Explicit } else { TransactionMode::PerMigration }
}

/// Makes a schema that is missing. `CREATE SCHEMA IF NOT EXISTS` needs the right to make one even where it is there.
pub(crate) fn create_schema(name: &str) -> String {
    format!(
        "DO $do$ BEGIN IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = {}) THEN CREATE SCHEMA {}; END IF; END $do$",
        literal(name),
        quoted(name)
    )
}

/// A name as the runners that quote every name write it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// SHA-256 of a file's bytes, in hexadecimal; its byte order mark is one of them.
pub(crate) fn sha256(text: &str, byte_order_mark: bool) -> String {
    let mut digest = sha2::Sha256::new();
    if byte_order_mark {
        digest.update("\u{feff}");
    }
    digest.update(text);
    hex(&digest.finalize())
}

/// A value as a string literal.
pub(crate) fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// Bytes as history tables spell checksums.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "tests.rs"]
pub(crate) mod tests;
