//! The layout of sqlx: numbered files, one transaction for each, a history table with checksums.

use super::{
    Cut, Evidence, Folder, Found, Grouping, Layout, MigrationFile, MigrationTree, Request, Script, Site, Understands,
    files_in, hex, one_directory, sort_by_version, sqlite, take_back,
};
use crate::migration::history::{Applied, HistoryShape, Row, Selection, flag, missing, refuse_missing, value};
use crate::migration::script::{Dialect, StatementKind};
use crate::migration::source_file::read_text;
use crate::migration::{Connection, HistoryWrite, MigrationError, SourceFile, TransactionMode};
use serde::Deserialize;
use sha2::{Digest, Sha384};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// sqlx 0.9, simple and reversible migrations.
#[derive(Debug)]
pub struct Sqlx;

/// The comment with which a file opts out of its transaction: only as the very first bytes.
const NO_TRANSACTION: &str = "-- no-transaction";

/// The table of every release so far.
const HISTORY: HistoryShape =
    HistoryShape { columns: &["version", "success", "checksum"], later: &[], foreign: &[], order: "version" };

/// `[migrate]` of `sqlx.toml`, as far as it decides what runs.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Migrate {
    migrations_dir: Option<String>,
    table_name: Option<String>,
    create_schemas: BTreeSet<String>,
    ignored_chars: BTreeSet<char>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Configuration {
    migrate: Migrate,
}

/// A file name taken apart as sqlx does.
struct Name {
    version: i64,
    description: String,
    is_down: bool,
}

impl Name {
    /// `None` for files that sqlx passes over.
    fn parse(file_name: &str) -> Option<Result<Self, String>> {
        let (version, rest) = file_name.split_once('_').filter(|(_, rest)| rest.ends_with(".sql"))?;
        let suffix = [".up.sql", ".down.sql"].into_iter().find(|suffix| rest.ends_with(suffix)).unwrap_or(".sql");
        Some(match version.parse() {
            Ok(version) => Ok(Self {
                version,
                description: rest.trim_end_matches(suffix).replace('_', " "),
                is_down: suffix == ".down.sql",
            }),
            Err(_) => Err(format!(
                "sqlx stops at this name, since `{version}` is not a whole number: name it <number>_<description>.sql or move it elsewhere"
            )),
        })
    }
}

/// Whether a file name is a migration's for sqlx.
pub(super) fn is_versioned(file_name: &str) -> bool {
    matches!(Name::parse(file_name), Some(Ok(_)))
}

impl Layout for Sqlx {
    fn name(&self) -> &'static str {
        "sqlx"
    }

    fn homes(&self) -> &'static [&'static str] {
        &["migrations"]
    }

    fn understands(&self) -> Understands {
        Understands {
            transaction: &[],
            otherwise: "sqlx takes that from each file: `-- no-transaction` as its very first bytes",
            out_of_order: false,
        }
    }

    fn detect(&self, site: &Site) -> Option<Evidence> {
        // What cannot be read is reported when the layout reads it.
        if let Ok(Some((path, _, _))) = configuration(site) {
            return Some(Evidence::marker(format!("{} names it", path.display())));
        }
        if !site.every_script(is_versioned) || site.tool_by_contents().is_some() {
            return None;
        }
        if let Some(why) = site.depends_on_in("Cargo.toml", &["sqlx"]) {
            return Some(Evidence::dependency(why));
        }
        Some(Evidence::names("every file is named <number>_<description>.sql"))
    }

    fn read(&self, request: &Request<'_>) -> Result<MigrationTree, MigrationError> {
        let directory = one_directory(self.name(), request)?;
        let site = Site::new(request.paths)?;
        let (configured, migrate) = match configuration(&site)? {
            Some((_, directory, migrate)) => (directory, migrate),
            None => (site.directory, Migrate::default()),
        };
        let mut tree = MigrationTree::new(self.name(), request);
        let table = tree.keep_history(HISTORY, migrate.table_name.as_deref().unwrap_or("_sqlx_migrations"));
        if tree.is_sqlite() {
            refuse_schemas(&migrate)?;
        }
        let schemas = migrate.create_schemas.iter().filter(|_| !tree.is_sqlite());
        tree.setup = schemas.map(|schema| format!("CREATE SCHEMA IF NOT EXISTS {schema}")).collect();
        tree.create_history = vec![create_table(&table, tree.dialect())];
        let Found { directory, files, folder } = match directory {
            Some(_) => Found::within(&configured, request.root, files_in)?,
            None => Found::named(request),
        };
        collect(files, &folder, &migrate, &mut tree)?;
        tree.refuse_empty(&directory, "files named <number>_<description>.sql")?;
        Ok(tree)
    }

    fn select(&self, tree: &MigrationTree, rows: Option<&[Row]>) -> Result<Selection, MigrationError> {
        let mut applied = Vec::new();
        for row in rows.unwrap_or_default().iter().enumerate() {
            let version = value(row, 0, "no version")?.to_owned();
            if !flag(row, 1, "no success", "success is neither true nor false")? {
                let (table, mark) = (tree.history_table().to_owned(), "success = false");
                return Err(MigrationError::Dirty { table, version, mark });
            }
            let checksum = row.1.get(2).and_then(Option::as_deref);
            let checksum = checksum.map(|bytes| bytes.trim_start_matches("\\x").to_lowercase());
            applied.push(Applied { version, checksum });
        }
        refuse_missing(tree, &missing(tree, &applied))?;
        let mut selection = Selection::absent(tree, &applied);
        selection.note_late(tree, "sqlx");
        Ok(selection)
    }

    fn grouping(
        &self,
        tree: &MigrationTree,
        file: &MigrationFile,
        cuts: &[Cut],
        _previous: Option<&str>,
    ) -> Result<Grouping, MigrationError> {
        let source = file.file();
        tree.refuse_byte_order_mark(file)?;
        if source.text.is_empty() {
            return Err(MigrationError::EmptyFile { file: source.name.clone() });
        }
        let mut notes = Vec::new();
        let opted_out = source.text.starts_with(NO_TRANSACTION);
        let kinds: Vec<StatementKind> = cuts.iter().map(|cut| cut.kind(source)).collect();
        let controls = kinds.iter().position(StatementKind::is_transaction_control);
        if tree.is_sqlite() {
            let (transaction, in_transaction) = match opted_out {
                // Its driver runs the statements of a text one by one.
                true => (sqlite::one_by_one(source, cuts), false),
                false => {
                    let is_open = sqlite::within_runners("sqlx", source, cuts, &mut notes);
                    (TransactionMode::PerMigration, is_open)
                }
            };
            notes.extend(opt_out_note(source, opted_out));
            let history = history_write(file, tree, in_transaction);
            return Ok(Grouping { transaction, history: Some(history), notes });
        }
        let transaction = match controls {
            // The script's first BEGIN falls into the runner's transaction, and its COMMIT ends both.
            Some(at) => {
                let line = source.position(cuts[at].span.start).line;
                notes.push(format!(
                    "{}:{line}: the script commits by itself, so sqlx writes its history row outside the script's transaction",
                    source.name
                ));
                if at == 0 { TransactionMode::Explicit } else { TransactionMode::PerMigration }
            }
            None if !opted_out => TransactionMode::PerMigration,
            None if cuts.len() > 1 => {
                notes.push(format!(
                    "{}:1: sqlx sends a file without a transaction as one string, which the server runs as one transaction all the same: one statement a file runs truly without",
                    source.name
                ));
                TransactionMode::PerMigration
            }
            None => TransactionMode::None,
        };
        notes.extend(opt_out_note(source, opted_out));
        let in_transaction = !opted_out && controls.is_none();
        Ok(Grouping { transaction, history: Some(history_write(file, tree, in_transaction)), notes })
    }

    fn connection(&self, tree: &MigrationTree) -> Connection {
        if tree.is_sqlite() {
            // Its driver says so on every connection, unless the program that opens it says otherwise.
            return Connection { settings: sqlite::FOREIGN_KEYS, ..Connection::default() };
        }
        // What sqlx's driver asks for, whatever the role has set.
        Connection { settings: "SET TimeZone TO 'UTC'; SET DateStyle TO 'ISO, MDY'", ..Connection::default() }
    }
}

/// An opt-out that comes too late to count: in the first comment lines, but not as the first bytes.
fn late_opt_out(text: &str) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        if trimmed.starts_with(NO_TRANSACTION) {
            return Some(at + line.len() - trimmed.len());
        }
        if !trimmed.is_empty() && !trimmed.starts_with("--") {
            return None;
        }
        at += line.len();
    }
    None
}

/// What to say of an opt-out that does not count.
fn opt_out_note(source: &SourceFile, opted_out: bool) -> Option<String> {
    let line = source.position(late_opt_out(&source.text).filter(|_| !opted_out)?).line;
    Some(format!(
        "{}:{line}: `{NO_TRANSACTION}` only counts as the very first bytes of the file: this file runs in a transaction",
        source.name
    ))
}

/// A schema of SQLite's is a database that is attached, which sqlx does not do.
fn refuse_schemas(migrate: &Migrate) -> Result<(), MigrationError> {
    let is_there = |schema: &&String| ["main", "temp"].iter().any(|known| schema.eq_ignore_ascii_case(known));
    match migrate.create_schemas.iter().find(|schema| !is_there(schema)) {
        Some(schema) => Err(MigrationError::Refused {
            layout: "sqlx",
            reason: format!(
                "create-schemas of sqlx.toml names {schema}, and SQLite has no schemas but its files: take it out"
            ),
        }),
        None => Ok(()),
    }
}

fn history_write(file: &MigrationFile, tree: &MigrationTree, in_transaction: bool) -> HistoryWrite {
    let table = tree.history_table();
    let (version, checksum) = (&file.version, file.checksum.as_deref().unwrap_or_default());
    let checksum = match tree.is_sqlite() {
        true => format!("x'{checksum}'"),
        false => format!("decode('{checksum}', 'hex')"),
    };
    let description = super::literal(&file.name);
    HistoryWrite {
        table: table.to_owned(),
        applied: vec![format!(
            "INSERT INTO {table} ( version, description, success, checksum, execution_time ) \
             VALUES ( {version}, {description}, TRUE, {checksum}, -1 )"
        )],
        in_transaction,
        finished: vec![format!("UPDATE {table} SET execution_time = 0 WHERE version = {version}")],
        undo: vec![format!("DELETE FROM {table} WHERE version = {version}")],
        ..HistoryWrite::default()
    }
}

fn create_table(table: &str, dialect: Dialect) -> String {
    let (moment, now, bytes) = match dialect {
        Dialect::PostgreSql => ("TIMESTAMPTZ", "now()", "BYTEA"),
        Dialect::Sqlite => ("TIMESTAMP", "CURRENT_TIMESTAMP", "BLOB"),
    };
    format!(
        "CREATE TABLE IF NOT EXISTS {table} (\n    version BIGINT PRIMARY KEY,\n    description TEXT NOT NULL,\n    \
         installed_on {moment} NOT NULL DEFAULT {now},\n    success BOOLEAN NOT NULL,\n    \
         checksum {bytes} NOT NULL,\n    execution_time BIGINT NOT NULL\n)"
    )
}

/// Reads the migrations among `found` into `tree`, lowest version first.
fn collect(
    found: Vec<(String, PathBuf)>,
    folder: &Folder,
    migrate: &Migrate,
    tree: &mut MigrationTree,
) -> Result<(), MigrationError> {
    let mut downs: Vec<(i64, Arc<SourceFile>)> = Vec::new();
    let mut ups: Vec<(i64, MigrationFile)> = Vec::new();
    for (file_name, path) in found {
        let Some(name) = Name::parse(&file_name) else {
            if file_name.ends_with(".sql") {
                tree.notes.push(format!("{file_name}: passed over as sqlx does: no `_` after a version"));
            }
            continue;
        };
        let (file, byte_order_mark) = folder.read(&file_name, &path)?;
        let name = name.map_err(|reason| MigrationError::FileName { file: file.name.clone(), reason })?;
        if name.is_down {
            downs.push((name.version, file));
            continue;
        }
        let checksum = Some(checksum(&file.text, byte_order_mark, &migrate.ignored_chars));
        let migration = MigrationFile {
            version: name.version.to_string(),
            name: name.description,
            up: Script::whole(file),
            down: None,
            checksum,
            byte_order_mark,
            attributes: BTreeMap::new(),
        };
        ups.push((name.version, migration));
    }
    sort_by_version(&mut ups)?;
    for (version, down) in downs {
        // Sorted by version, each of which is there once.
        let of = ups.binary_search_by_key(&version, |(up, _)| *up).ok().and_then(|at| ups.get_mut(at));
        let of = of.map(|(_, up)| up);
        take_back(of, &version.to_string(), Script::whole(down), &mut tree.notes)?;
    }
    tree.files.extend(ups.into_iter().map(|(_, file)| file));
    Ok(())
}

/// SHA-384 of the file's bytes without the characters that are to be ignored, in hexadecimal.
fn checksum(text: &str, byte_order_mark: bool, ignored: &BTreeSet<char>) -> String {
    let mut digest = Sha384::new();
    if byte_order_mark && !ignored.contains(&'\u{feff}') {
        digest.update("\u{feff}");
    }
    text.split(|character| ignored.contains(&character)).for_each(|part| digest.update(part));
    hex(&digest.finalize())
}

/// The `sqlx.toml` that speaks of a place: its path, the folder of migrations it names, and its settings. It lies in the
/// project's folder, which may be the directory itself or one above it.
fn configuration(site: &Site) -> Result<Option<(PathBuf, PathBuf, Migrate)>, MigrationError> {
    for path in site.all_above("sqlx.toml") {
        let migrate = toml::from_str::<Configuration>(&read_text(&path)?)
            .map_err(|error| MigrationError::Configuration { path: path.clone(), reason: error.to_string() })?
            .migrate;
        let folder = super::site::parent(&path);
        let named = folder.join(migrate.migrations_dir.as_deref().unwrap_or("migrations"));
        if site.is_here(&named) {
            return Ok(Some((path, site.directory.clone(), migrate)));
        }
        if site.is_here(&folder) {
            return Ok(Some((path, named, migrate)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{folder, read as read_with};
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<MigrationTree, MigrationError> {
        let folder = folder(files);
        read_with(&Sqlx, &[folder.path().to_owned()], folder.path())
    }

    fn grouping(text: &str) -> Result<Grouping, MigrationError> {
        let tree = read(&[("7_it's_new.sql", text)])?;
        let cuts = Sqlx.cut(&tree, &tree.files[0], &tree.files[0].up).expect("SQL");
        Sqlx.grouping(&tree, &tree.files[0], &cuts, None)
    }

    #[test]
    fn names_are_taken_apart_as_sqlx_does() {
        let tree = read(&[
            ("0010_add_note.up.sql", "SELECT 10"),
            ("10_add_note.down.sql", "SELECT 0"),
            ("9_first.sql", "SELECT 9"),
            ("README_x.md", ""),
            ("seed.sql", "SELECT 1"),
            ("11_odd.sql.sql", "SELECT 11"),
            ("sub/12_deeper.sql", "SELECT 12"),
        ])
        .expect("readable");
        let found: Vec<(&str, &str)> =
            tree.files.iter().map(|file| (file.version.as_str(), file.name.as_str())).collect();
        assert_eq!(found, [("9", "first"), ("10", "add note"), ("11", "odd")]);
        assert_eq!(tree.files[1].down.as_ref().expect("a down script").file.text, "SELECT 0");
        assert_eq!(tree.notes, ["seed.sql: passed over as sqlx does: no `_` after a version"]);
    }

    #[test]
    fn what_sqlx_stops_at_is_an_error() {
        let message = |files: &[(&str, &str)]| read(files).expect_err("sqlx stops").to_string();
        assert!(message(&[("seed_data.sql", "SELECT 1")]).starts_with("seed_data.sql: sqlx stops at this name"));
        assert_eq!(
            message(&[("01_a.sql", "SELECT 1"), ("1_b.up.sql", "SELECT 1")]),
            "version 1 belongs to both 01_a.sql and 1_b.up.sql: give one of them a version of its own"
        );
    }

    #[test]
    fn the_checksum_is_sha_384_of_the_bytes() {
        let tree = read(&[("1_a.sql", "abc")]).expect("readable");
        assert_eq!(
            tree.files[0].checksum.as_deref(),
            Some("cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7")
        );
        let with_line_ends = checksum("a\r\nb", false, &BTreeSet::from(['\r']));
        assert_eq!(with_line_ends, checksum("a\nb", false, &BTreeSet::new()));
        assert_ne!(checksum("a", true, &BTreeSet::new()), checksum("a", false, &BTreeSet::new()));
    }

    #[test]
    fn each_file_is_one_transaction_with_its_history_row() {
        let grouping = grouping("CREATE TABLE t (); SELECT 1").expect("groups");
        assert_eq!(grouping.transaction, TransactionMode::PerMigration);
        assert!(grouping.notes.is_empty());
        let history = grouping.history.expect("a row");
        assert!(history.in_transaction);
        assert!(
            history.applied[0].starts_with(
                "INSERT INTO _sqlx_migrations ( version, description, success, checksum, execution_time ) \
                 VALUES ( 7, 'it''s new', TRUE, decode('"
            ),
            "{}",
            history.applied[0]
        );
        assert_eq!(history.finished, ["UPDATE _sqlx_migrations SET execution_time = 0 WHERE version = 7"]);
    }

    #[test]
    fn the_opt_out_counts_only_as_first_bytes() {
        let single = grouping("-- no-transaction\nCREATE INDEX CONCURRENTLY i ON t (a);").expect("groups");
        assert_eq!(single.transaction, TransactionMode::None);
        assert!(!single.history.expect("a row").in_transaction);
        let several = grouping("-- no-transaction\nSELECT 1;\nSELECT 2").expect("groups");
        assert_eq!(several.transaction, TransactionMode::PerMigration);
        assert!(!several.history.expect("a row").in_transaction);
        assert!(several.notes[0].contains("one string"));
        let late = grouping("-- header\n-- no-transaction\nSELECT 1").expect("groups");
        assert_eq!(late.transaction, TransactionMode::PerMigration);
        assert!(late.history.expect("a row").in_transaction);
        assert!(late.notes[0].contains(".sql:2: `-- no-transaction` only counts"));
    }

    #[test]
    fn a_script_that_commits_leaves_its_history_row_outside() {
        let whole = grouping("BEGIN; SELECT 1; COMMIT").expect("groups");
        assert_eq!(whole.transaction, TransactionMode::Explicit);
        assert!(!whole.history.expect("a row").in_transaction);
        let inner = grouping("SELECT 1; COMMIT; SELECT 2").expect("groups");
        assert_eq!(inner.transaction, TransactionMode::PerMigration);
        assert!(inner.notes[0].contains(".sql:1: the script commits by itself"));
    }

    #[test]
    fn a_byte_order_mark_or_nothing_at_all_is_refused_when_pending() {
        assert!(matches!(grouping("\u{feff}SELECT 1"), Err(MigrationError::ByteOrderMark { .. })));
        assert!(matches!(grouping(""), Err(MigrationError::EmptyFile { .. })));
    }

    #[test]
    fn sqlx_toml_names_folder_table_and_schemas() {
        let toml = "[common]\ndatabase-url-var = \"X\"\n[migrate]\nmigrations-dir = \"db/up\"\n\
            table-name = \"meta.history\"\ncreate-schemas = [\"meta\"]\nignored-chars = [\"\\r\"]\n";
        let folder = folder(&[("sqlx.toml", toml), ("db/up/1_a.sql", "SELECT\r\n1"), (".git/HEAD", "")]);
        for given in [folder.path().to_owned(), folder.path().join("db/up"), folder.path().join("db/up/1_a.sql")] {
            let tree = read_with(&Sqlx, std::slice::from_ref(&given), folder.path()).expect("readable");
            assert_eq!(tree.history_table(), "meta.history", "{}", given.display());
            assert_eq!(tree.setup[0], "CREATE SCHEMA IF NOT EXISTS meta");
            assert!(tree.create_history[0].starts_with("CREATE TABLE IF NOT EXISTS meta.history ("));
            assert_eq!(tree.files[0].file().name, "db/up/1_a.sql");
            assert_eq!(tree.files[0].checksum, Some(checksum("SELECT\n1", false, &BTreeSet::new())));
        }
        let site = Site::new(&[folder.path().join("db/up")]).expect("readable");
        assert!(Sqlx.detect(&site).expect("named").why.ends_with("sqlx.toml names it"));
    }

    #[test]
    fn a_broken_sqlx_toml_is_an_error_with_its_path() {
        let folder = folder(&[("sqlx.toml", "[migrate]\ntable-name = 3\n"), ("migrations/1_a.sql", "SELECT 1")]);
        let error = read_with(&Sqlx, &[folder.path().join("migrations")], folder.path()).expect_err("not a name");
        assert!(error.to_string().contains("sqlx.toml: "), "{error}");
    }
}
