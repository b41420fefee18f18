//! The layout of golang-migrate: a file for each direction, sent to the server in one piece, and a single history row.

use super::{
    Cut, Evidence, Folder, Found, Grouping, Layout, MigrationFile, MigrationTree, Request, Script, Site, Understands,
    files_in, found, sent_as_one_string, sqlite,
};
use crate::migration::history::{HistoryShape, Row, Selection, flag, value};
use crate::migration::script::{Dialect, StatementKind};
use crate::migration::{Connection, HistoryWrite, MigrationError, SourceFile, TransactionMode};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// golang-migrate 4, also where sqlx's or Ent's files are named as it names its own.
#[derive(Debug)]
pub struct GolangMigrate;

const HISTORY: HistoryShape =
    HistoryShape { columns: &["version", "dirty"], later: &[], foreign: &[], order: "version" };

/// What the driver asks for; only the time zone stays the role's.
pub(super) const LIB_PQ: &str = "SET DateStyle TO 'ISO, MDY'";

/// A file name taken apart as golang-migrate does.
#[derive(Debug, PartialEq, Eq)]
struct Name<'a> {
    version: u64,
    /// Without the database it is for.
    identifier: &'a str,
    is_down: bool,
    database: Database<'a>,
}

/// Which database a name says it is for: `7_orders.postgres.up.sql`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Database<'a> {
    Any,
    Ours,
    Other(&'a str),
}

impl<'a> Name<'a> {
    /// `None` for files that golang-migrate passes over. Their ending is free.
    fn parse(file_name: &'a str, dialect: Dialect) -> Option<Self> {
        let (version, rest) = file_name.split_once('_')?;
        let is_number = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
        let version = version.parse().ok().filter(|_| is_number)?;
        let (up, down) = (rest.rfind(".up."), rest.rfind(".down."));
        let identifier = &rest[..up.max(down)?];
        let parts = || identifier.split('.').enumerate().skip(1);
        let database = parts().find_map(|(_, part)| match part {
            part if super::detect::is_ours(part, dialect) => Some(Database::Ours),
            part if super::detect::is_others(part, dialect) => Some(Database::Other(part)),
            _ => None,
        });
        let database = database.unwrap_or(Database::Any);
        let identifier =
            if database == Database::Any { identifier } else { identifier.split('.').next().unwrap_or("") };
        Some(Self { version, identifier, is_down: down > up, database })
    }
}

impl Layout for GolangMigrate {
    fn name(&self) -> &'static str {
        "golang_migrate"
    }

    fn homes(&self) -> &'static [&'static str] {
        &["migrations", "db/migrations", "db/migration"]
    }

    fn understands(&self) -> Understands {
        Understands {
            transaction: &[TransactionMode::PerMigration, TransactionMode::None],
            otherwise: "golang-migrate never runs several files in one transaction",
            out_of_order: false,
        }
    }

    fn detect(&self, site: &Site) -> Option<Evidence> {
        // Ent has Atlas write these files, directives and sums included.
        if site.tool_by_contents().is_some_and(|(tool, _)| tool != "atlas")
            || !site.every_script(|name| Name::parse(name, Dialect::default()).is_some())
        {
            return None;
        }
        let names = ["golang-migrate", "migrate/migrate", "migrate -path", "migrate -source", "migrate -database"];
        match site.depends_on(&names) {
            Some(why) => Some(Evidence::dependency(why)),
            None => Some(Evidence::names("every file is named <number>_<title>.up.sql or .down.sql")),
        }
    }

    fn read(&self, request: &Request<'_>) -> Result<MigrationTree, MigrationError> {
        let mut tree = MigrationTree::new(self.name(), request);
        let table = tree.keep_history(HISTORY, "schema_migrations");
        tree.create_history = match request.dialect() {
            Dialect::PostgreSql => vec![format!(
                "CREATE TABLE IF NOT EXISTS {table} (version bigint not null primary key, dirty boolean not null)"
            )],
            Dialect::Sqlite => vec![
                format!("CREATE TABLE IF NOT EXISTS {table} (version uint64,dirty bool)"),
                format!("CREATE UNIQUE INDEX IF NOT EXISTS version_unique ON {table} (version)"),
            ],
        };
        let Found { directory, files, folder } = found(self.name(), request, files_in)?;
        collect(files, &folder, &mut tree)?;
        tree.refuse_empty(&directory, "files named <number>_<title>.up.sql")?;
        Ok(tree)
    }

    fn select(&self, tree: &MigrationTree, rows: Option<&[Row]>) -> Result<Selection, MigrationError> {
        let table = || tree.history_table().to_owned();
        let current = match rows.unwrap_or_default() {
            [] => return Ok(Selection::everything(tree)),
            [row] => row,
            _ => return Err(MigrationError::HistoryRow { row: 2, reason: "golang-migrate keeps a single row" }),
        };
        let version = value((0, current), 0, "no version")?;
        if flag((0, current), 1, "no dirty", "dirty is neither true nor false")? {
            return Err(MigrationError::Dirty { table: table(), version: version.to_owned(), mark: "dirty = true" });
        }
        let number: i64 =
            version.parse().map_err(|_| MigrationError::HistoryRow { row: 1, reason: "version is not a number" })?;
        let is_known = tree.files.iter().any(|file| file.version == version);
        if tree.directory_given && number >= 0 && !is_known {
            return Err(MigrationError::VersionMissing { table: table(), versions: version.to_owned() });
        }
        let is_pending = |file: &MigrationFile| {
            // A version beyond 2^63 is newer than any that fits into the table.
            file.version.parse().map_or(true, |version: i64| version > number)
        };
        let (pending, applied): (Vec<usize>, Vec<usize>) =
            (0..tree.files.len()).partition(|at| is_pending(&tree.files[*at]));
        Ok(Selection { pending, applied, newest: Some(version.to_owned()), ..Selection::default() })
    }

    fn cut(&self, tree: &MigrationTree, _file: &MigrationFile, script: &Script) -> Result<Vec<Cut>, MigrationError> {
        match tree.options.transaction {
            Some(TransactionMode::None) if !tree.is_sqlite() => Ok(cut_at_semicolons(script)),
            _ => super::cut::cut(script, tree.dialect()),
        }
    }

    fn grouping(
        &self,
        tree: &MigrationTree,
        file: &MigrationFile,
        cuts: &[Cut],
        previous: Option<&str>,
    ) -> Result<Grouping, MigrationError> {
        let source = file.file();
        if !cuts.is_empty() {
            tree.refuse_byte_order_mark(file)?;
        }
        let kinds: Vec<StatementKind> = cuts.iter().map(|cut| cut.kind(source)).collect();
        let mut notes = Vec::new();
        let transaction = match tree.options.transaction {
            // As `x-no-tx-wrap` says.
            Some(TransactionMode::None) if tree.is_sqlite() => sqlite::one_by_one(source, cuts),
            _ if tree.is_sqlite() => {
                sqlite::within_runners("golang-migrate", source, cuts, &mut notes);
                TransactionMode::PerMigration
            }
            Some(TransactionMode::None) if !kinds.iter().any(StatementKind::is_transaction_control) => {
                TransactionMode::None
            }
            Some(TransactionMode::None) => TransactionMode::Explicit,
            _ => sent_as_one_string(&kinds),
        };
        let history = Some(history_write(tree, &file.version, previous));
        Ok(Grouping { transaction, history, notes })
    }

    fn connection(&self, tree: &MigrationTree) -> Connection {
        // Of foreign keys its drivers for SQLite say nothing unless the URL does.
        Connection { settings: if tree.is_sqlite() { "" } else { LIB_PQ }, ..Connection::default() }
    }
}

/// The row is written anew before and after each file, each time in a transaction of its own.
fn history_write(tree: &MigrationTree, version: &str, previous: Option<&str>) -> HistoryWrite {
    let table = tree.history_table();
    let empty = if tree.is_sqlite() { "DELETE FROM" } else { "TRUNCATE" };
    let set = |dirty: bool| {
        vec![
            "BEGIN".to_owned(),
            format!("{empty} {table}"),
            format!("INSERT INTO {table} (version, dirty) VALUES ({version}, {dirty})"),
            "COMMIT".to_owned(),
        ]
    };
    let mut undo = vec![format!("DELETE FROM {table}")];
    undo.extend(previous.map(|previous| format!("INSERT INTO {table} (version, dirty) VALUES ({previous}, false)")));
    HistoryWrite {
        table: table.to_owned(),
        begun: set(true),
        applied: set(false),
        in_transaction: false,
        undo,
        ..HistoryWrite::default()
    }
}

/// What `x-multi-statement` makes of a file: a statement ends at each semicolon, wherever it stands.
fn cut_at_semicolons(script: &Script) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for part in &script.parts {
        let mut at = part.start;
        for piece in script.file.text[part.clone()].split_inclusive(';') {
            let sql = piece.trim_end_matches(';').trim();
            if !sql.is_empty() {
                let start = at + (piece.len() - piece.trim_start().len());
                cuts.push(Cut { span: start..start + sql.len(), rendered: None, dialect: Dialect::PostgreSql });
            }
            at += piece.len();
        }
    }
    cuts
}

/// Both directions of one version.
#[derive(Default)]
struct Pair {
    name: String,
    up: Option<Read>,
    down: Option<Read>,
}

struct Read {
    file: Arc<SourceFile>,
    marked: bool,
    is_ours: bool,
}

/// Reads the migrations among `files` into `tree`, lowest version first.
fn collect(files: Vec<(String, PathBuf)>, folder: &Folder, tree: &mut MigrationTree) -> Result<(), MigrationError> {
    let mut pairs: BTreeMap<u64, Pair> = BTreeMap::new();
    let mut others: BTreeMap<String, usize> = BTreeMap::new();
    for (file_name, path) in files {
        let Some(name) = Name::parse(&file_name, tree.dialect()) else {
            if file_name.ends_with(".sql") {
                tree.notes.push(format!(
                    "{file_name}: passed over as golang-migrate does: not named <number>_<title>.up.sql, with a number below 2^64"
                ));
            }
            continue;
        };
        if let Database::Other(other) = name.database {
            *others.entry(other.to_owned()).or_default() += 1;
            continue;
        }
        let pair = pairs.entry(name.version).or_default();
        let is_ours = name.database == Database::Ours;
        let side = if name.is_down { &mut pair.down } else { &mut pair.up };
        if side.as_ref().is_some_and(|there| there.is_ours && !is_ours) {
            continue;
        }
        let (file, marked) = folder.read(&file_name, &path)?;
        match side {
            Some(there) if there.is_ours == is_ours => {
                let (first, second) = (there.file.name.clone(), file.name.clone());
                return Err(MigrationError::DuplicateVersion { version: name.version.to_string(), first, second });
            }
            _ => *side = Some(Read { file, marked, is_ours }),
        }
        name.identifier.clone_into(&mut pair.name);
    }
    if !others.is_empty() {
        let count: usize = others.values().sum();
        let dialects: Vec<&str> = others.keys().map(String::as_str).collect();
        tree.notes.push(format!("{count} files for other databases left alone: {}", dialects.join(", ")));
    }
    for (version, pair) in pairs {
        let down = pair.down.map(|read| Script::whole(read.file));
        let (up, byte_order_mark) = match (pair.up, &down) {
            (Some(read), _) => (Script::whole(read.file), read.marked),
            // The version is noted down all the same, with nothing run.
            (None, Some(down)) => (Script { file: Arc::clone(&down.file), parts: Vec::new() }, false),
            (None, None) => continue,
        };
        tree.files.push(MigrationFile {
            version: version.to_string(),
            name: pair.name,
            up,
            down,
            checksum: None,
            byte_order_mark,
            attributes: BTreeMap::new(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{folder, read as read_with};
    use super::super::{LAYOUTS, LayoutOptions};
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<MigrationTree, MigrationError> {
        let folder = folder(files);
        read_with(&GolangMigrate, &[folder.path().to_owned()], folder.path())
    }

    fn grouped(tree: &MigrationTree, at: usize, previous: Option<&str>) -> Result<Grouping, MigrationError> {
        let file = &tree.files[at];
        let cuts = GolangMigrate.cut(tree, file, &file.up).expect("SQL");
        GolangMigrate.grouping(tree, file, &cuts, previous)
    }

    fn row(version: &str, dirty: &str) -> Vec<Row> {
        vec![vec![Some(version.to_owned()), Some(dirty.to_owned())]]
    }

    #[test]
    fn names_are_taken_apart_as_golang_migrate_does() {
        let tree = read(&[
            ("0010_add_note.up.sql", "SELECT 10"),
            ("10_add_note.down.sql", "SELECT 0"),
            ("9_.up.sql", "SELECT 9"),
            ("11_x.up.down.up.pgsql", "SELECT 11"),
            ("12_only_down.down.sql", "SELECT -12"),
            ("13_seed.sql", "SELECT 13"),
            ("99999999999999999999_late.up.sql", "SELECT 1"),
            ("README.md", ""),
        ])
        .expect("readable");
        let found: Vec<(&str, &str)> =
            tree.files.iter().map(|file| (file.version.as_str(), file.name.as_str())).collect();
        assert_eq!(found, [("9", ""), ("10", "add_note"), ("11", "x.up.down"), ("12", "only_down")]);
        assert_eq!(tree.files[1].down.as_ref().expect("a down script").file.text, "SELECT 0");
        assert!(tree.files[3].up.parts.is_empty() && tree.files[3].down.is_some());
        assert_eq!(tree.notes.len(), 2);
        assert!(tree.notes[0].starts_with("13_seed.sql: passed over"), "{:?}", tree.notes);
    }

    #[test]
    fn the_file_for_postgresql_is_told_from_those_for_other_databases() {
        let tree = read(&[
            ("1_a.up.sql", "SELECT 1"),
            ("1_a.postgres.up.sql", "SELECT 'ours'"),
            ("1_a.mysql.up.sql", "SELECT `1`"),
            ("2_b.cockroach.up.sql", "SELECT 2"),
            ("2_b.up.sql", "SELECT 'any'"),
            ("2_b.psql.down.sql", "SELECT 0"),
            ("3_v1.2_release.up.sql", "SELECT 3"),
        ])
        .expect("readable");
        let found: Vec<(&str, &str)> =
            tree.files.iter().map(|file| (file.name.as_str(), file.file().text.as_str())).collect();
        assert_eq!(found, [("a", "SELECT 'ours'"), ("b", "SELECT 'any'"), ("v1.2_release", "SELECT 3")]);
        assert!(tree.files[1].down.is_some());
        assert_eq!(tree.notes, ["2 files for other databases left alone: cockroach, mysql"]);
    }

    #[test]
    fn two_files_of_one_version_and_direction_are_refused() {
        let message = read(&[("1_a.up.sql", "SELECT 1"), ("01_b.up.sql", "SELECT 1")]).expect_err("twice").to_string();
        assert!(message.starts_with("version 1 belongs to both 01_b.up.sql and 1_a.up.sql"), "{message}");
        assert!(matches!(read(&[("1_a.sql", "")]), Err(MigrationError::NoMigrations { .. })));
    }

    #[test]
    fn bare_names_are_golang_migrates_or_sqlxs_and_the_project_can_tell() {
        let detect = |files: &[(&str, &str)]| -> Vec<&str> {
            let folder = folder(files);
            let site = Site::new(&[folder.path().join("migrations")]).expect("readable");
            let strongest = LAYOUTS.iter().filter_map(|layout| Some((layout.detect(&site)?.strength, layout.name())));
            let strongest: Vec<_> = strongest.collect();
            let most = strongest.iter().map(|each| each.0).max();
            strongest.into_iter().filter(|each| Some(each.0) == most).map(|each| each.1).collect()
        };
        let file = ("migrations/1_a.up.sql", "SELECT 1");
        assert_eq!(detect(&[file, (".git/HEAD", "")]), ["golang_migrate", "sqlx"]);
        let go = ("go.mod", "require github.com/golang-migrate/migrate/v4 v4.18.1");
        assert_eq!(detect(&[file, go, (".git/HEAD", "")]), ["golang_migrate"]);
        let ent = [file, ("migrations/atlas.sum", "h1:x\n"), (".git/HEAD", "")];
        assert!(detect(&ent).contains(&"golang_migrate"));
        let goose = ("migrations/2_b.up.sql", "-- +goose Up\nSELECT 1;");
        assert!(!detect(&[file, goose, (".git/HEAD", "")]).contains(&"golang_migrate"));
    }

    #[test]
    fn everything_newer_than_the_row_is_pending() {
        let files = ["1_a", "2_b", "3_c"].map(|name| (format!("{name}.up.sql"), "SELECT 1"));
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        let tree = read(&files).expect("readable");
        let pending = |rows: &[Row]| GolangMigrate.select(&tree, Some(rows)).map(|selection| selection.pending);
        assert_eq!(pending(&[]).expect("all"), [0, 1, 2]);
        assert_eq!(pending(&row("2", "f")).expect("one"), [2]);
        assert_eq!(GolangMigrate.select(&tree, Some(&row("2", "f"))).expect("one").newest.as_deref(), Some("2"));
        let dirty = pending(&row("2", "t")).expect_err("dirty").to_string();
        assert!(dirty.contains("version 2 was begun and never finished (dirty = true)"), "{dirty}");
        assert!(matches!(pending(&row("7", "f")), Err(MigrationError::VersionMissing { .. })));
        let two = [row("1", "f"), row("2", "f")].concat();
        assert!(matches!(pending(&two), Err(MigrationError::HistoryRow { row: 2, .. })));
    }

    #[test]
    fn a_file_is_one_string_and_the_row_is_dirty_meanwhile() {
        let tree = read(&[
            ("1_a.up.sql", "SELECT 1; SELECT 2"),
            ("2_b.up.sql", "VACUUM t"),
            ("3_c.up.sql", ""),
            ("4_d.up.sql", "BEGIN; SELECT 1; COMMIT"),
            ("5_e.up.sql", "\u{feff}SELECT 1"),
        ])
        .expect("readable");
        let mode = |at| grouped(&tree, at, None).map(|grouping| grouping.transaction);
        assert_eq!(mode(0).expect("groups"), TransactionMode::PerMigration);
        assert_eq!(mode(1).expect("groups"), TransactionMode::None);
        assert_eq!(mode(2).expect("nothing to run"), TransactionMode::PerMigration);
        assert_eq!(mode(3).expect("groups"), TransactionMode::Explicit);
        assert!(matches!(mode(4), Err(MigrationError::ByteOrderMark { .. })));
        let history = grouped(&tree, 1, Some("1")).expect("groups").history.expect("a row");
        assert_eq!(history.begun[2], "INSERT INTO schema_migrations (version, dirty) VALUES (2, true)");
        assert_eq!(history.applied[2], "INSERT INTO schema_migrations (version, dirty) VALUES (2, false)");
        assert!(!history.in_transaction);
        assert_eq!(
            history.undo,
            ["DELETE FROM schema_migrations", "INSERT INTO schema_migrations (version, dirty) VALUES (1, false)"]
        );
        assert_eq!(grouped(&tree, 0, None).expect("groups").history.expect("a row").undo.len(), 1);
    }

    #[test]
    fn several_statements_can_be_sent_one_by_one() {
        let folder = folder(&[("1_a.up.sql", "SELECT 1;\n SELECT 'a;b';\n\n;")]);
        let options = LayoutOptions { transaction: Some(TransactionMode::None), ..LayoutOptions::default() };
        let paths = [folder.path().to_owned()];
        let request = Request { paths: &paths, root: folder.path(), options: &options };
        let tree = GolangMigrate.read(&request).expect("readable");
        let cuts = GolangMigrate.cut(&tree, &tree.files[0], &tree.files[0].up).expect("cut");
        let sql: Vec<&str> = cuts.iter().map(|cut| cut.sql(tree.files[0].file())).collect();
        assert_eq!(sql, ["SELECT 1", "SELECT 'a", "b'"], "semicolons in strings count, as they do there");
        assert_eq!(grouped(&tree, 0, None).expect("groups").transaction, TransactionMode::None);
    }
}
