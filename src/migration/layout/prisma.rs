//! The layout of Prisma Migrate: a folder for each migration with `migration.sql` in it, run by `migrate deploy`.

use super::plain::leading_number;
use super::{
    Cut, Evidence, Folder, Grouping, Layout, MigrationFile, MigrationTree, Request, Script, Siblings, Site,
    Understands, literal, migration_folders, sent_as_one_string, sha256, sqlite,
};
use crate::migration::history::{Applied, HistoryShape, Row, Selection, value};
use crate::migration::script::{Dialect, StatementKind};
use crate::migration::source_file::read_text;
use crate::migration::{Connection, HistoryWrite, MigrationError, TransactionMode};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Prisma 3 and newer: until 7.3 it sends a file as one string, since then statement by statement.
#[derive(Debug)]
pub struct Prisma;

const HISTORY: HistoryShape = HistoryShape {
    columns: &["migration_name", "checksum", "finished_at", "rolled_back_at"],
    later: &[],
    foreign: &[],
    order: "started_at",
};

const SCRIPT: &str = "migration.sql";
const LOCK: &str = "migration_lock.toml";

/// Attribute of the tree: Prisma's version sends the statements of a file one by one.
const ONE_BY_ONE: &str = "one_by_one";

/// Attribute of a file: the checksum of the same text with the other line ends, which Prisma takes for the same.
const OTHER_LINE_ENDS: &str = "other_line_ends";

impl Layout for Prisma {
    fn name(&self) -> &'static str {
        "prisma"
    }

    fn homes(&self) -> &'static [&'static str] {
        &["prisma/migrations"]
    }

    fn understands(&self) -> Understands {
        Understands {
            transaction: &[TransactionMode::PerMigration, TransactionMode::None],
            otherwise: "Prisma never runs several folders in one transaction",
            out_of_order: false,
        }
    }

    fn detect(&self, site: &Site) -> Option<Evidence> {
        let folders = migration_folders(self.name(), std::slice::from_ref(&site.directory), SCRIPT).ok()?;
        let holds = |name: &str| folders.iter().any(|(_, folder)| folder.join(name).is_file());
        // Drizzle has folders like these, each with a snapshot.
        if !holds(SCRIPT) || holds("snapshot.json") {
            return None;
        }
        if site.has(LOCK) || site.has(&format!("../{LOCK}")) {
            return Some(Evidence::marker(format!("{LOCK} is there")));
        }
        if let Some(why) = site.depends_on(&["prisma"]) {
            return Some(Evidence::dependency(why));
        }
        let every = folders.iter().all(|(_, folder)| folder.join(SCRIPT).is_file());
        every.then(|| Evidence::names(format!("every folder holds a {SCRIPT}")))
    }

    fn read(&self, request: &Request<'_>) -> Result<MigrationTree, MigrationError> {
        let mut tree = MigrationTree::new(self.name(), request);
        let table = tree.keep_history(HISTORY, "_prisma_migrations");
        tree.create_history = vec![create_table(&table, request.dialect())];
        let is_all = |path: &Path| path.is_dir() && !path.join(SCRIPT).is_file();
        tree.directory_given = matches!(request.paths, [all] if is_all(all));
        if let [all] = request.paths {
            check_provider(&if is_all(all) { all.join(LOCK) } else { all.join("..").join(LOCK) }, request.dialect())?;
        }
        if tree.is_sqlite() {
            if request.options.transaction == Some(TransactionMode::PerMigration) {
                return Err(MigrationError::Option {
                    layout: self.name(),
                    option: "transaction",
                    reason: "on SQLite Prisma runs the statements of a file one by one: take it out".to_owned(),
                });
            }
            let note = "Prisma keeps everybody else out of the database while it migrates (`PRAGMA main.locking_mode=EXCLUSIVE`), which is not done here";
            tree.notes.push(note.to_owned());
        }
        let known = if tree.is_sqlite() { Some(true) } else { None };
        let one_by_one = match known {
            Some(known) => Some(known),
            None => sends_one_by_one(&Site::new(request.paths)?),
        };
        let one_by_one = one_by_one.unwrap_or_else(|| {
            let note = "no package.json says which version of Prisma runs these: each file is sent as one string, as before 7.4 (newer ones send statements one by one: `transaction = \"none\"`)";
            tree.notes.push(note.to_owned());
            false
        });
        if request.options.transaction.map_or(one_by_one, |asked| asked == TransactionMode::None) {
            tree.attributes.insert(ONE_BY_ONE.to_owned(), "true".to_owned());
        }
        let mut seen = BTreeSet::new();
        let mut siblings = Siblings::new(request.root);
        for (name, path) in migration_folders(self.name(), request.paths, SCRIPT)? {
            if seen.insert(name.clone()) {
                tree.files.push(migration(&name, &path, &siblings.folder(&path))?);
            }
        }
        tree.files.sort_by(|left, right| left.version.cmp(&right.version));
        let path = request.paths.first().cloned().unwrap_or_default();
        tree.refuse_empty(&path, "folders that hold a migration.sql")?;
        let disordered =
            tree.files.windows(2).find(|pair| leading_number(&pair[0].version) > leading_number(&pair[1].version));
        if let Some([first, second]) = disordered {
            tree.notes.push(format!(
                "Prisma runs folders in the order of their names as text, so {} comes before {}",
                first.version, second.version
            ));
        }
        Ok(tree)
    }

    fn select(&self, tree: &MigrationTree, rows: Option<&[Row]>) -> Result<Selection, MigrationError> {
        let mut applied = Vec::new();
        for row in rows.unwrap_or_default().iter().enumerate() {
            let version = value(row, 0, "no migration_name")?.to_owned();
            let is_set = |column: usize| row.1.get(column).is_some_and(Option::is_some);
            match (is_set(2), is_set(3)) {
                // Marked as rolled back: it runs again.
                (_, true) => {}
                (true, false) => {
                    applied.push(Applied { version, checksum: row.1.get(1).cloned().flatten() });
                }
                (false, false) => {
                    return Err(MigrationError::Refused {
                        layout: self.name(),
                        reason: format!(
                            "{version} was begun and never finished, as {} has it (P3009): say how it ended with `prisma migrate resolve`",
                            tree.history_table()
                        ),
                    });
                }
            }
        }
        let mut selection = Selection::absent(tree, &applied);
        selection.edited.retain(|at| {
            let file = &tree.files[*at];
            let row = applied.iter().find(|row| row.version == file.version);
            row.is_some_and(|row| row.checksum.as_deref() != file.attribute(OTHER_LINE_ENDS))
        });
        selection.note_gone(tree, &applied, "folder", "Prisma");
        selection.note_late(tree, "Prisma");
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
        let kinds: Vec<StatementKind> = cuts.iter().map(|cut| cut.kind(source)).collect();
        let mut notes = Vec::new();
        let transaction = if tree.is_sqlite() {
            sqlite::one_by_one(source, cuts)
        } else if tree.attributes.contains_key(ONE_BY_ONE) && is_understood(&kinds) {
            let commits = kinds.iter().any(StatementKind::is_transaction_control);
            if commits { TransactionMode::Explicit } else { TransactionMode::None }
        } else {
            sent_as_one_string(&kinds)
        };
        let alone = kinds.iter().position(|kind| !kind.can_wrap() && !kind.is_transaction_control());
        if let Some(at) = alone.filter(|_| transaction == TransactionMode::PerMigration) {
            notes.push(format!(
                "{}:{}: Prisma sends this file as one string, which the server runs as one transaction: this statement needs a migration of its own",
                source.name,
                source.position(cuts[at].span.start).line
            ));
        }
        let (table, name) = (tree.history_table(), literal(&file.version));
        let checksum = literal(file.checksum.as_deref().unwrap_or_default());
        // Rows of earlier tries that were rolled back stay.
        let mine = format!("\"migration_name\" = {name} AND \"rolled_back_at\" IS NULL");
        let (id, now) = match tree.dialect() {
            Dialect::PostgreSql => ("gen_random_uuid()::text", "now()"),
            // A moment is a number of milliseconds there.
            Dialect::Sqlite => (
                "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) \
                 || '-a' || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))",
                "CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)",
            ),
        };
        let history = HistoryWrite {
            table: table.to_owned(),
            begun: vec![format!(
                "INSERT INTO {table} (\"id\", \"checksum\", \"started_at\", \"migration_name\") \
                 VALUES ({id}, {checksum}, {now}, {name})"
            )],
            applied: vec![format!(
                "UPDATE {table} SET \"applied_steps_count\" = (\"applied_steps_count\" + 1) WHERE {mine}"
            )],
            in_transaction: false,
            finished: vec![format!("UPDATE {table} SET \"finished_at\" = {now} WHERE {mine}")],
            undo: vec![format!("DELETE FROM {table} WHERE {mine}")],
            ..HistoryWrite::default()
        };
        Ok(Grouping { transaction, history: Some(history), notes })
    }

    fn connection(&self, tree: &MigrationTree) -> Connection {
        // The SQLite that its engine brings with it is compiled with foreign keys on.
        Connection { settings: if tree.is_sqlite() { sqlite::FOREIGN_KEYS } else { "" }, ..Connection::default() }
    }
}

/// Whether the parser with which Prisma takes a file apart reads it; if not, the file goes out as one string after all.
/// Known of it: it has no DROP INDEX CONCURRENTLY.
fn is_understood(kinds: &[StatementKind]) -> bool {
    !kinds.contains(&StatementKind::DropIndex { concurrently: true })
}

/// Whether the project's version of Prisma is 7.4 or newer, by the first package.json that names it; `None` when none
/// does with a number.
fn sends_one_by_one(site: &Site) -> Option<bool> {
    site.all_above("package.json").find_map(|path| {
        // A file that is no JSON names nothing.
        let package: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
        let named = |list: &str, name: &str| package.get(list)?.get(name)?.as_str().map(str::to_owned);
        let lists = ["devDependencies", "dependencies"];
        let range = lists.iter().find_map(|list| named(list, "prisma").or_else(|| named(list, "@prisma/client")))?;
        let mut numbers = range.trim_start_matches(|first: char| !first.is_ascii_digit()).split('.');
        let major: u32 = numbers.next()?.parse().ok()?;
        let minor: u32 = numbers.next().and_then(|minor| minor.parse().ok()).unwrap_or(u32::MAX);
        // A range that is open upwards has long led to a newer one.
        let is_open = range.starts_with(['^', '>']);
        Some(major > 7 || (major == 7 && (is_open || minor >= 4)))
    })
}

fn create_table(table: &str, dialect: Dialect) -> String {
    if dialect.is_sqlite() {
        return format!(
            "CREATE TABLE {table} (\n    \"id\"                    TEXT PRIMARY KEY NOT NULL,\n    \
             \"checksum\"              TEXT NOT NULL,\n    \"finished_at\"           DATETIME,\n    \
             \"migration_name\"        TEXT NOT NULL,\n    \"logs\"                  TEXT,\n    \
             \"rolled_back_at\"        DATETIME,\n    \"started_at\"            DATETIME NOT NULL DEFAULT current_timestamp,\n    \
             \"applied_steps_count\"   INTEGER UNSIGNED NOT NULL DEFAULT 0\n)"
        );
    }
    format!(
        "CREATE TABLE {table} (\n    id                      VARCHAR(36) PRIMARY KEY NOT NULL,\n    \
         checksum                VARCHAR(64) NOT NULL,\n    finished_at             TIMESTAMPTZ,\n    \
         migration_name          VARCHAR(255) NOT NULL,\n    logs                    TEXT,\n    \
         rolled_back_at          TIMESTAMPTZ,\n    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),\n    \
         applied_steps_count     INTEGER NOT NULL DEFAULT 0\n)"
    )
}

/// Migrations of another database are refused, as Prisma does.
fn check_provider(path: &Path, dialect: Dialect) -> Result<(), MigrationError> {
    if !path.is_file() {
        return Ok(());
    }
    let text = read_text(path)?;
    let wrong = |reason: String| MigrationError::Configuration { path: path.to_owned(), reason };
    let table: toml::Table = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    match table.get("provider").and_then(toml::Value::as_str) {
        None => Ok(()),
        Some("postgresql" | "postgres") if dialect == Dialect::PostgreSql => Ok(()),
        Some("sqlite") if dialect == Dialect::Sqlite => Ok(()),
        Some(other) => Err(wrong(format!("these migrations are for {other}, not for {}", dialect.engine()))),
    }
}

fn migration(folder_name: &str, path: &Path, folder: &Folder) -> Result<MigrationFile, MigrationError> {
    if !path.join(SCRIPT).is_file() {
        return Err(MigrationError::FileName {
            file: folder_name.to_owned(),
            reason: format!("Prisma stops at a folder without a {SCRIPT} (P3015): bring it back, or remove the folder"),
        });
    }
    let (file, byte_order_mark) = folder.read(SCRIPT, &path.join(SCRIPT))?;
    let unix = file.text.replace("\r\n", "\n");
    let other = if unix.len() == file.text.len() { file.text.replace('\n', "\r\n") } else { unix };
    Ok(MigrationFile {
        version: folder_name.to_owned(),
        name: folder_name.split_once('_').map_or(folder_name, |(_, name)| name).to_owned(),
        checksum: Some(sha256(&file.text, byte_order_mark)),
        attributes: BTreeMap::from([(OTHER_LINE_ENDS.to_owned(), sha256(&other, byte_order_mark))]),
        up: Script::whole(file),
        down: None,
        byte_order_mark,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{folder, read as read_with};
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<MigrationTree, MigrationError> {
        let folder = folder(files);
        read_with(&Prisma, &[folder.path().to_owned()], folder.path())
    }

    /// name, checksum, finished, rolled back
    fn row(name: &str, checksum: &str, finished: bool, rolled_back: bool) -> Row {
        let moment = |is: bool| is.then(|| "2026-01-01".to_owned());
        vec![Some(name.to_owned()), Some(checksum.to_owned()), moment(finished), moment(rolled_back)]
    }

    fn applied(file: &MigrationFile) -> Row {
        row(&file.version, file.checksum.as_deref().unwrap_or_default(), true, false)
    }

    #[test]
    fn folders_run_in_the_order_of_their_names_as_text() {
        let tree = read(&[
            ("19_x/migration.sql", "SELECT 19"),
            ("01_init/migration.sql", "SELECT 1"),
            ("100_y/migration.sql", "SELECT 100"),
            ("migration_lock.toml", "provider = \"postgresql\""),
            ("package.json", "{\"dependencies\": {\"@prisma/client\": \"6.1\"}}"),
        ])
        .expect("readable");
        let found: Vec<(&str, &str)> =
            tree.files.iter().map(|file| (file.version.as_str(), file.name.as_str())).collect();
        assert_eq!(found, [("01_init", "init"), ("100_y", "y"), ("19_x", "x")]);
        assert_eq!(tree.notes, ["Prisma runs folders in the order of their names as text, so 100_y comes before 19_x"]);
        let ordered = read(&[("01_a/migration.sql", ""), ("02_b/migration.sql", "")]).expect("readable");
        assert!(!ordered.notes.iter().any(|note| note.contains("as text")));
    }

    #[test]
    fn what_prisma_stops_at_is_an_error() {
        let message = |files: &[(&str, &str)]| read(files).expect_err("Prisma stops").to_string();
        assert!(message(&[("1_a/other.sql", "")]).starts_with("1_a: Prisma stops at a folder without a migration.sql"));
        let lock = [("1_a/migration.sql", ""), ("migration_lock.toml", "provider = \"mysql\"")];
        assert!(message(&lock).contains("these migrations are for mysql"));
        assert!(message(&[("README.md", "")]).contains("no migrations here"));
    }

    #[test]
    fn what_is_not_finished_stops_prisma_and_what_was_rolled_back_runs_again() {
        let tree = read(&[
            ("1_a/migration.sql", "SELECT 1"),
            ("2_b/migration.sql", "SELECT 2"),
            ("3_c/migration.sql", "SELECT 3"),
        ])
        .expect("readable");
        let select = |rows: &[Row]| Prisma.select(&tree, Some(rows));
        let selection = select(&[applied(&tree.files[0]), row("2_b", "x", false, true)]).expect("selects");
        assert_eq!((selection.pending, selection.edited), (vec![1, 2], vec![]));
        let failed = select(&[row("1_a", "x", false, false)]).expect_err("failed").to_string();
        assert!(failed.contains("1_a was begun and never finished, as _prisma_migrations has it (P3009)"), "{failed}");
        let late = select(&[applied(&tree.files[1]), row("0_gone", "x", true, false)]).expect("selects");
        assert_eq!(late.pending, [0, 2]);
        assert!(
            late.notes[0].ends_with("which Prisma lets pass: 0_gone")
                && late.notes[1].contains("older than version 2_b")
        );
        assert_eq!(select(&[row("1_a", "edited", true, false)]).expect("selects").edited, [0]);
    }

    #[test]
    fn checksums_are_sha_256_and_line_ends_do_not_count() {
        let tree = read(&[("1_a/migration.sql", "-- only a comment"), ("2_b/migration.sql", "SELECT\r\n2")])
            .expect("readable");
        assert_eq!(
            tree.files[0].checksum.as_deref(),
            Some("0da9de825fd66616828e255fd036a3fa16395309d608b6ecccd4810bac7b85bf")
        );
        let unix = row("2_b", &sha256("SELECT\n2", false), true, false);
        assert!(Prisma.select(&tree, Some(&[unix])).expect("selects").edited.is_empty());
    }

    fn grouped(text: &str) -> Result<Grouping, MigrationError> {
        grouped_by("^6.19.0", text)
    }

    fn grouped_by(prisma: &str, text: &str) -> Result<Grouping, MigrationError> {
        let package = format!("{{\"devDependencies\": {{\"prisma\": \"{prisma}\"}}}}");
        let tree = read(&[("1_it's/migration.sql", text), ("package.json", &package)])?;
        let cuts = Prisma.cut(&tree, &tree.files[0], &tree.files[0].up)?;
        Prisma.grouping(&tree, &tree.files[0], &cuts, None)
    }

    #[test]
    fn since_7_4_statements_go_out_one_by_one() {
        let index = "SELECT 1;\nCREATE INDEX CONCURRENTLY i ON t (a)";
        for (prisma, text, expected) in [
            ("^7.0.0", index, TransactionMode::None),
            ("~7.4.1", index, TransactionMode::None),
            ("8", index, TransactionMode::None),
            ("latest", index, TransactionMode::PerMigration),
            ("7.3.0", index, TransactionMode::PerMigration),
            ("^6.19.0", index, TransactionMode::PerMigration),
            ("^7.4.0", "BEGIN; SELECT 1; COMMIT", TransactionMode::Explicit),
            ("^7.4.0", "SELECT 1; DROP INDEX CONCURRENTLY i", TransactionMode::PerMigration),
        ] {
            assert_eq!(grouped_by(prisma, text).expect("groups").transaction, expected, "{prisma}: {text}");
        }
        let unknown = read(&[("1_a/migration.sql", "SELECT 1")]).expect("readable");
        assert!(unknown.notes[0].starts_with("no package.json says which version of Prisma"), "{:?}", unknown.notes);
    }

    #[test]
    fn until_then_a_file_is_one_string() {
        for (text, expected, noted) in [
            ("SELECT 1; SELECT 2", TransactionMode::PerMigration, false),
            ("CREATE INDEX CONCURRENTLY i ON t (a)", TransactionMode::None, false),
            ("SELECT 1;\nCREATE INDEX CONCURRENTLY i ON t (a)", TransactionMode::PerMigration, true),
            ("BEGIN; SELECT 1; COMMIT", TransactionMode::Explicit, false),
            ("", TransactionMode::PerMigration, false),
        ] {
            let grouping = grouped(text).expect("groups");
            assert_eq!((grouping.transaction, !grouping.notes.is_empty()), (expected, noted), "{text}");
        }
        assert!(matches!(grouped("\u{feff}SELECT 1"), Err(MigrationError::ByteOrderMark { .. })));
    }

    #[test]
    fn the_row_is_there_from_the_beginning() {
        let history = grouped("SELECT 1").expect("groups").history.expect("a row");
        assert!(history.begun[0].ends_with("now(), '1_it''s')") && !history.in_transaction);
        assert_eq!(
            history.undo,
            ["DELETE FROM _prisma_migrations WHERE \"migration_name\" = '1_it''s' AND \"rolled_back_at\" IS NULL"]
        );
    }

    #[test]
    fn the_lock_file_the_dependency_or_the_folders_give_it_away() {
        let why = |files: &[(&str, &str)]| {
            let folder = folder(files);
            Prisma.detect(&Site::new(&[folder.path().to_owned()]).expect("readable")).map(|evidence| evidence.why)
        };
        let script = ("1_a/migration.sql", "");
        assert_eq!(why(&[script, ("migration_lock.toml", "")]).expect("found"), "migration_lock.toml is there");
        let package = ("package.json", "{\"dependencies\": {\"@prisma/client\": \"6\"}}");
        assert_eq!(why(&[script, package]).expect("found"), "package.json names prisma");
        assert!(why(&[script]).expect("found").contains("every folder"));
        assert!(why(&[script, ("1_a/snapshot.json", "")]).is_none());
        assert!(why(&[("1_a/up.sql", ""), package]).is_none());
    }

    #[test]
    fn one_folder_is_a_migration_too() {
        let project =
            folder(&[("m/1_a/migration.sql", ""), ("m/2_b/migration.sql", ""), ("m/migration_lock.toml", "")]);
        for (given, all) in [("m", true), ("m/2_b", false), ("m/2_b/migration.sql", false)] {
            let tree = read_with(&Prisma, &[project.path().join(given)], project.path()).expect("readable");
            assert_eq!((tree.files.len() == 2, tree.directory_given), (all, all), "{given}");
            assert_eq!(tree.files.last().expect("one").version, "2_b");
        }
    }
}
