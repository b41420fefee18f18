//! The layout of Diesel: a folder for each migration, with `up.sql`, `down.sql` and `metadata.toml`.

use super::{
    Cut, Evidence, Folder, Grouping, Layout, MigrationFile, MigrationTree, Request, Script, Siblings, Site,
    Understands, in_runners_transaction, literal, migration_folders, sent_as_one_string, sort_by_version, sqlite,
};
use crate::migration::history::{Applied, HistoryShape, Row, Selection};
use crate::migration::script::StatementKind;
use crate::migration::source_file::read_text;
use crate::migration::{Connection, HistoryWrite, MigrationError, TransactionMode};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Diesel 2.
#[derive(Debug)]
pub struct Diesel;

const HISTORY: HistoryShape =
    HistoryShape { columns: &["version", "run_on"], later: &[], foreign: &[], order: "version" };

/// Attribute: whether a transaction is opened.
const IN_TRANSACTION: &str = "run_in_transaction";

/// `diesel.toml`, as far as it decides where migrations lie.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Configuration {
    migrations_directory: MigrationsDirectory,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MigrationsDirectory {
    dir: Option<PathBuf>,
}

impl Layout for Diesel {
    fn name(&self) -> &'static str {
        "diesel"
    }

    fn homes(&self) -> &'static [&'static str] {
        &["migrations"]
    }

    fn understands(&self) -> Understands {
        Understands {
            transaction: &[],
            otherwise: "Diesel takes that from each folder: `run_in_transaction = false` in metadata.toml",
            out_of_order: false,
        }
    }

    fn detect(&self, site: &Site) -> Option<Evidence> {
        // What cannot be read is reported when the layout reads it.
        let directory = directory(site).ok()?;
        let folders = migration_folders(self.name(), std::slice::from_ref(&directory), "up.sql").ok()?;
        if !folders.iter().any(|(_, folder)| folder.join("up.sql").is_file()) {
            return None;
        }
        if let Some(path) = site.nearest("diesel.toml") {
            return Some(Evidence::marker(format!("{} is Diesel's", path.display())));
        }
        let crates = ["diesel", "diesel_migrations", "diesel-async"];
        if let Some(why) = site.depends_on_in("Cargo.toml", &crates) {
            return Some(Evidence::dependency(why));
        }
        let every = folders.iter().all(|(_, folder)| folder.join("up.sql").is_file());
        every.then(|| Evidence::names("every folder holds an up.sql"))
    }

    fn read(&self, request: &Request<'_>) -> Result<MigrationTree, MigrationError> {
        let mut tree = MigrationTree::new(self.name(), request);
        let table = tree.keep_history(HISTORY, "__diesel_schema_migrations");
        tree.create_history = vec![format!(
            "CREATE TABLE IF NOT EXISTS {table} (\n       version VARCHAR(50) PRIMARY KEY NOT NULL,\n       \
             run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP\n)"
        )];
        sqlite::note_bundled(&mut tree, &Site::new(request.paths)?, "Diesel");
        let paths = match request.paths {
            [all] if all.is_dir() => vec![directory(&Site::new(request.paths)?)?],
            several => several.to_vec(),
        };
        tree.directory_given = matches!(paths.as_slice(), [all] if all.is_dir() && !all.join("up.sql").is_file());
        let mut found = Vec::new();
        let mut siblings = Siblings::new(request.root);
        for (name, path) in migration_folders(self.name(), &paths, "up.sql")? {
            let file = migration(&name, &path, &siblings.folder(&path), &mut tree.notes)?;
            found.push((file.version.clone(), file));
        }
        // Diesel runs one of two folders of the same version, whichever it happens to find last.
        sort_by_version(&mut found)?;
        tree.files = found.into_iter().map(|(_, file)| file).collect();
        let path = paths.into_iter().next().unwrap_or_default();
        tree.refuse_empty(&path, "folders that hold an up.sql")?;
        Ok(tree)
    }

    fn select(&self, tree: &MigrationTree, rows: Option<&[Row]>) -> Result<Selection, MigrationError> {
        let applied = Applied::versions(rows, "no version")?;
        let mut selection = Selection::absent(tree, &applied);
        selection.note_gone(tree, &applied, "folder", "Diesel");
        selection.note_late(tree, "Diesel");
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
        // On SQLite nothing of it reaches the server, which has nothing against it.
        if cuts.is_empty() && !tree.is_sqlite() {
            return Err(MigrationError::Content {
                file: source.name.clone(),
                line: 1,
                reason: "Diesel stops at a script without a statement: write one, or remove the folder".to_owned(),
            });
        }
        let mut notes = Vec::new();
        let in_transaction = file.attribute(IN_TRANSACTION) != Some("false");
        let mut row_in_transaction = in_transaction;
        let transaction = if tree.is_sqlite() {
            match in_transaction {
                true => {
                    row_in_transaction = sqlite::within_runners("Diesel", source, cuts, &mut notes);
                    TransactionMode::PerMigration
                }
                false => sqlite::one_by_one(source, cuts),
            }
        } else if in_transaction {
            in_runners_transaction("Diesel", source, cuts, &mut notes)
        } else {
            let kinds: Vec<StatementKind> = cuts.iter().map(|cut| cut.kind(source)).collect();
            let together = sent_as_one_string(&kinds);
            if together == TransactionMode::PerMigration {
                notes.push(format!(
                    "{}:1: Diesel sends a file as one string, which the server runs as one transaction even without `run_in_transaction`: one statement a file runs truly without",
                    source.name
                ));
            }
            together
        };
        let (table, version) = (tree.history_table(), literal(&file.version));
        let history = HistoryWrite {
            table: table.to_owned(),
            applied: vec![format!("INSERT INTO {table} (\"version\") VALUES ({version})")],
            in_transaction: row_in_transaction,
            undo: vec![format!("DELETE FROM {table} WHERE version = {version}")],
            ..HistoryWrite::default()
        };
        Ok(Grouping { transaction, history: Some(history), notes })
    }

    fn connection(&self, tree: &MigrationTree) -> Connection {
        if tree.is_sqlite() {
            return sqlite::connection(tree);
        }
        Connection { settings: "SET TIME ZONE 'UTC'", ..Connection::default() }
    }
}

/// The folder of migrations: the one given, or the one `diesel.toml` names if what was given is the project.
fn directory(site: &Site) -> Result<PathBuf, MigrationError> {
    let path = site.directory.join("diesel.toml");
    if !path.is_file() {
        return Ok(site.directory.clone());
    }
    let text = read_text(&path)?;
    let read: Configuration = toml::from_str(&text)
        .map_err(|error| MigrationError::Configuration { path: path.clone(), reason: error.to_string() })?;
    Ok(site.directory.join(read.migrations_directory.dir.unwrap_or_else(|| PathBuf::from("migrations"))))
}

fn migration(
    folder_name: &str,
    path: &Path,
    folder: &Folder,
    notes: &mut Vec<String>,
) -> Result<MigrationFile, MigrationError> {
    if !path.join("up.sql").is_file() {
        return Err(MigrationError::FileName {
            file: folder_name.to_owned(),
            reason: "Diesel stops at a folder without an up.sql: write one, or remove the folder".to_owned(),
        });
    }
    let (version, name) = folder_name.split_once('_').unwrap_or((folder_name, ""));
    let (up, byte_order_mark) = folder.read("up.sql", &path.join("up.sql"))?;
    let mut down = None;
    if path.join("down.sql").is_file() {
        let (file, _) = folder.read("down.sql", &path.join("down.sql"))?;
        let is_empty = |line: &str| line.trim().is_empty() || line.trim().starts_with("--");
        if !file.text.lines().all(is_empty) {
            down = Some(Script::whole(file));
        }
    }
    let in_transaction = run_in_transaction(&path.join("metadata.toml"), &up.name, notes)?;
    Ok(MigrationFile {
        version: version.replace('-', ""),
        name: name.to_owned(),
        up: Script::whole(up),
        down,
        checksum: None,
        byte_order_mark,
        attributes: BTreeMap::from([(IN_TRANSACTION.to_owned(), in_transaction.to_string())]),
    })
}

/// What `metadata.toml` says, read as Diesel does: without it or unreadable it is yes, without the key it is no.
fn run_in_transaction(path: &Path, up: &str, notes: &mut Vec<String>) -> Result<bool, MigrationError> {
    if !path.is_file() {
        return Ok(true);
    }
    let text = read_text(path)?;
    let value = toml::from_str::<toml::Table>(&text).map(|table| table.get(IN_TRANSACTION).cloned());
    Ok(match value {
        Ok(Some(toml::Value::Boolean(value))) => value,
        Ok(None) => {
            notes.push(format!("{up}: metadata.toml says nothing of {IN_TRANSACTION}, which Diesel takes for false"));
            false
        }
        _ => {
            notes.push(format!("{up}: metadata.toml is not as Diesel wants it, so it runs in a transaction"));
            true
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{folder, read as read_with};
    use super::*;

    fn read(files: &[(&str, &str)]) -> Result<MigrationTree, MigrationError> {
        let folder = folder(files);
        read_with(&Diesel, &[folder.path().to_owned()], folder.path())
    }

    fn grouped(files: &[(&str, &str)]) -> Result<Grouping, MigrationError> {
        let tree = read(files)?;
        let cuts = Diesel.cut(&tree, &tree.files[0], &tree.files[0].up)?;
        Diesel.grouping(&tree, &tree.files[0], &cuts, None)
    }

    #[test]
    fn folders_run_in_the_order_of_their_versions_as_text() {
        let tree = read(&[
            ("2026-01-03-000000-0000_later/up.sql", "SELECT 3"),
            ("2026-01-02-030405_first_one/up.sql", "SELECT 1"),
            ("2026-01-02-030405_first_one/down.sql", "SELECT 0"),
            ("00000000000000_diesel_initial_setup/up.sql", "SELECT 0"),
            ("00000000000000_diesel_initial_setup/down.sql", "-- This file was generated.\n\n"),
            ("9/up.sql", "SELECT 9"),
            ("10_x/up.sql", "SELECT 10"),
            (".hidden/x", ""),
            ("README.md", ""),
        ])
        .expect("readable");
        let found: Vec<(&str, &str)> =
            tree.files.iter().map(|file| (file.version.as_str(), file.name.as_str())).collect();
        let expected = [
            ("00000000000000", "diesel_initial_setup"),
            ("10", "x"),
            ("20260102030405", "first_one"),
            ("202601030000000000", "later"),
            ("9", ""),
        ];
        assert_eq!(found, expected);
        assert_eq!(tree.files[2].down.as_ref().expect("a way back").file.text, "SELECT 0");
        assert!(tree.files[0].down.is_none(), "nothing but comments");
        assert_eq!(tree.files[2].file().name, "2026-01-02-030405_first_one/up.sql");
    }

    #[test]
    fn what_diesel_stops_at_is_an_error() {
        let message = |files: &[(&str, &str)]| grouped(files).expect_err("Diesel stops").to_string();
        assert!(
            message(&[("1_a/down.sql", "SELECT 1")]).starts_with("1_a: Diesel stops at a folder without an up.sql")
        );
        let twice = [("2026-01-01_a/up.sql", "SELECT 1"), ("20260101_b/up.sql", "SELECT 1")];
        assert!(message(&twice).starts_with("version 20260101 belongs to both"));
        assert!(message(&[("1_a/up.sql", "")]).contains("the file is empty"));
        assert!(message(&[("1_a/up.sql", "-- later\n")]).contains("Diesel stops at a script without a statement"));
        assert!(message(&[("1_a/up.sql", "\u{feff}SELECT 1")]).contains("byte order mark"));
    }

    #[test]
    fn each_folder_is_a_transaction_unless_its_metadata_says_no() {
        let plain = grouped(&[("1_a/up.sql", "SELECT 1; SELECT 2")]).expect("groups");
        let history = plain.history.expect("a row");
        assert_eq!((plain.transaction, history.in_transaction), (TransactionMode::PerMigration, true));
        assert_eq!(history.applied, ["INSERT INTO __diesel_schema_migrations (\"version\") VALUES ('1')"]);
        let with = |text, metadata| grouped(&[("1_a/up.sql", text), ("1_a/metadata.toml", metadata)]).expect("groups");
        let none = with("CREATE INDEX CONCURRENTLY i ON t (a)", "run_in_transaction = false");
        assert_eq!((none.transaction, none.history.expect("a row").in_transaction), (TransactionMode::None, false));
        let several = with("SELECT 1; SELECT 2", "run_in_transaction = false");
        assert_eq!(several.transaction, TransactionMode::PerMigration);
        assert!(several.notes[0].contains("one string"));
        assert_eq!(with("SELECT 1", "# nothing").transaction, TransactionMode::None);
        assert_eq!(with("SELECT 1", "run_in_transaction = 'no'").transaction, TransactionMode::PerMigration);
        let explicit = grouped(&[("1_a/up.sql", "BEGIN; SELECT 1; COMMIT")]).expect("groups");
        assert_eq!(explicit.transaction, TransactionMode::Explicit);
        assert!(explicit.notes[0].contains("inside the transaction Diesel opened"));
    }

    #[test]
    fn older_ones_run_and_missing_ones_are_let_pass() {
        let tree = read(&[("1_a/up.sql", "SELECT 1"), ("2_b/up.sql", "SELECT 2"), ("3_c/up.sql", "SELECT 3")])
            .expect("readable");
        let row = |version: &str| vec![Some(version.to_owned()), Some("now".to_owned())];
        let selection = Diesel.select(&tree, Some(&[row("2"), row("8")])).expect("selects");
        assert_eq!(selection.pending, [0, 2]);
        assert!(selection.notes[0].ends_with("which Diesel lets pass: 8"), "{:?}", selection.notes);
        assert!(selection.notes[1].starts_with("1_a/up.sql: older than version 2"), "{:?}", selection.notes);
        assert!(Diesel.select(&tree, Some(&[vec![None]])).is_err());
        assert_eq!(Diesel.select(&tree, None).expect("selects").pending, [0, 1, 2]);
    }

    #[test]
    fn diesel_toml_names_the_folder_and_gives_it_away() {
        let toml = "[migrations_directory]\ndir = \"db/changes\"\n";
        let project = folder(&[("diesel.toml", toml), ("db/changes/1_a/up.sql", "SELECT 1"), (".git/HEAD", "")]);
        for (given, all) in
            [("", true), ("db/changes", true), ("db/changes/1_a", false), ("db/changes/1_a/up.sql", false)]
        {
            let path = project.path().join(given);
            let tree = read_with(&Diesel, std::slice::from_ref(&path), project.path()).expect("readable");
            assert_eq!((tree.files[0].version.as_str(), tree.directory_given), ("1", all), "{given}");
            assert_eq!(tree.files[0].file().name, "db/changes/1_a/up.sql");
        }
        let why = |folder: &tempfile::TempDir, below: &str| {
            let site = Site::new(&[folder.path().join(below)]).expect("readable");
            Diesel.detect(&site).map(|evidence| evidence.why)
        };
        assert!(why(&project, "").expect("found").ends_with("diesel.toml is Diesel's"));
        assert!(why(&project, "db/changes").expect("found").ends_with("diesel.toml is Diesel's"));
        assert!(why(&folder(&[("1_a/up.sql", "")]), "").expect("found").contains("every folder"));
        assert!(why(&folder(&[("1_a/migration.sql", "")]), "").is_none());
        assert!(why(&folder(&[("Cargo.toml", "diesel = \"2\""), ("1_a.sql", "")]), "").is_none());
    }
}
