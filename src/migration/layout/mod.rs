//! How each migration tool names, orders and groups its files.

mod foreign;
pub mod plain;
pub mod sqlx;

use super::source_file::name_below;
use super::{HistoryWrite, MigrationError, SourceFile, TransactionMode};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A tool's way with its files. A new layout is one file and one line in [`LAYOUTS`].
pub trait Layout: Sync {
    /// As in `--layout`.
    fn name(&self) -> &'static str;

    /// Why a directory is this layout's, for people; `None` if it is not.
    fn detect(&self, directory: &Path) -> Option<String>;

    /// Reads the files that `paths` (never empty, all there) name. `root` is what their names are relative to.
    ///
    /// # Errors
    /// What the tool itself would stop at, and files that cannot be read.
    fn read(&self, paths: &[PathBuf], root: &Path) -> Result<MigrationTree, MigrationError>;

    /// How the tool runs one pending file, whose statements are at `spans`, and what it notes down afterwards.
    ///
    /// # Errors
    /// What the tool or the server would stop at for certain.
    fn grouping(
        &self,
        tree: &MigrationTree,
        file: &MigrationFile,
        spans: &[Range<usize>],
    ) -> Result<Grouping, MigrationError>;
}

/// Every layout, in the order in which they are asked to detect their files.
pub const LAYOUTS: [&dyn Layout; 2] = [&sqlx::Sqlx, &plain::Plain];

/// Names of `--layout` that are spoken for but not read yet.
const PLANNED: [&str; 15] = [
    "diesel",
    "refinery",
    "flyway",
    "liquibase",
    "golang_migrate",
    "goose",
    "dbmate",
    "atlas",
    "prisma",
    "drizzle",
    "sqitch",
    "node_pg_migrate",
    "supabase",
    "graphile_migrate",
    "tern",
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
    /// A byte order mark stands before the text.
    pub byte_order_mark: bool,
}

/// Reads what `paths` name. `layout` is the name given with `--layout`; it is detected when left out. `root` is what the
/// names of files are relative to.
///
/// # Errors
/// A path that is missing, empty or not text; files the layout does not allow; an unknown layout.
pub fn read(paths: &[PathBuf], layout: Option<&str>, root: &Path) -> Result<MigrationTree, MigrationError> {
    if paths.is_empty() || paths.iter().any(|path| path.as_os_str().is_empty()) {
        return Err(MigrationError::NothingGiven);
    }
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        return Err(MigrationError::Missing { path: missing.clone() });
    }
    match layout {
        Some(name) => named(name)?.read(paths, root),
        None => detect(paths, root),
    }
}

/// The layout called `name`.
///
/// # Errors
/// There is none.
pub fn named(name: &str) -> Result<&'static dyn Layout, MigrationError> {
    LAYOUTS.into_iter().find(|layout| layout.name() == name).ok_or_else(|| {
        let known = LAYOUTS.map(Layout::name).join(", ");
        let planned = if PLANNED.contains(&name) { format!("{known}; {name} is not read yet") } else { known };
        MigrationError::UnknownLayout { name: name.to_owned(), known: planned }
    })
}

fn detect(paths: &[PathBuf], root: &Path) -> Result<MigrationTree, MigrationError> {
    for path in paths {
        if let Some((tool, why)) = foreign::detect(path) {
            return Err(MigrationError::ForeignLayout { found: name_below(path, root), tool, why });
        }
    }
    if let [directory] = paths
        && directory.is_dir()
    {
        for layout in LAYOUTS {
            if let Some(why) = layout.detect(directory) {
                return Ok(MigrationTree { detected: Some(why), ..layout.read(paths, root)? });
            }
        }
    }
    let mut tree = plain::Plain.read(paths, root)?;
    tree.detected = Some("files in the order given".to_owned());
    if tree.files.iter().all(|file| sqlx::is_versioned(&file.version)) {
        let note = "read as plain SQL, where each statement commits by itself: `--layout sqlx` groups these files as sqlx does";
        tree.notes.push(note.to_owned());
    }
    Ok(tree)
}

/// The regular files of a directory with their names, sorted by name. Links count as what they lead to.
pub(crate) fn files_in(directory: &Path) -> Result<Vec<(String, PathBuf)>, MigrationError> {
    let unreadable = |source| super::source_file::SourceFileError::Read { path: directory.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.path().is_file() {
            files.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

/// What to say about a directory without migrations: perhaps they are one level below.
pub(crate) fn hint(directory: &Path, wanted: &str) -> String {
    let below = directory.join("migrations");
    if below.is_dir() {
        format!("looked for {wanted}; did you mean {}?", below.display())
    } else {
        format!("looked for {wanted}; name the directory that holds them")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A temporary folder with these files in it.
    pub(crate) fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        folder
    }

    fn detected(files: &[(&str, &str)]) -> Result<MigrationTree, MigrationError> {
        let folder = folder(files);
        read(&[folder.path().to_owned()], None, folder.path())
    }

    #[test]
    fn every_layout_has_its_own_name_and_is_found_by_it() {
        for layout in LAYOUTS {
            assert_eq!(named(layout.name()).expect("known").name(), layout.name());
            assert!(!PLANNED.contains(&layout.name()), "{} is read: it is planned no more", layout.name());
        }
    }

    #[test]
    fn unknown_layouts_are_answered_with_the_known_ones() {
        let folder = folder(&[("1_a.sql", "SELECT 1")]);
        let message =
            |name| read(&[folder.path().to_owned()], Some(name), folder.path()).expect_err("unknown").to_string();
        assert_eq!(message("sqlite"), "--layout sqlite: no such layout: known are sqlx, plain");
        assert!(message("goose").ends_with("goose is not read yet"));
    }

    #[test]
    fn directories_are_told_apart_and_say_why() {
        let sqlx = detected(&[("1_a.sql", "SELECT 1"), ("20240101_b.up.sql", "SELECT 2"), ("README.md", "")])
            .expect("versions");
        assert_eq!(sqlx.layout, "sqlx");
        assert!(sqlx.detected.expect("a reason").contains("<number>_<description>.sql"));
        let plain = detected(&[("a.sql", "SELECT 1"), ("1_b.sql", "SELECT 2")]).expect("plain files");
        assert_eq!(plain.layout, "plain");
        assert!(plain.directory_given && plain.detected.is_some());
    }

    #[test]
    fn other_tools_files_are_never_run_by_guess() {
        for (files, tool) in [
            ([("1_a.sql", "-- +goose Up\nCREATE TABLE t ();\n-- +goose Down\nDROP TABLE t;")].as_slice(), "goose"),
            (&[("1_a.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;")], "dbmate"),
            (&[("a.sql", "\u{feff}--liquibase formatted sql\n--changeset a:1\n")], "liquibase"),
            (&[("001_a.sql", "SELECT 1;\n---- create above / drop below ----\nSELECT 2;")], "tern"),
            (&[("0000_a.sql", "SELECT 1;"), ("meta/_journal.json", "{}")], "drizzle"),
            (&[("1_a.sql", "SELECT 1;"), ("atlas.sum", "")], "atlas"),
            (&[("V1__a.sql", "SELECT 1;"), ("V2__b.sql", "SELECT 2;")], "flyway or refinery"),
            (&[("2024-01-01-000000_a/up.sql", "SELECT 1;"), ("2024-01-01-000000_a/down.sql", "")], "diesel"),
            (&[("20240101_a/migration.sql", "SELECT 1;"), ("migration_lock.toml", "")], "prisma"),
        ] {
            match detected(files) {
                Err(MigrationError::ForeignLayout { tool: found, .. }) => assert_eq!(found, tool),
                other => panic!("{tool} was taken for {other:?}"),
            }
        }
        let folder = folder(&[("1_a.sql", "-- +goose Up\nSELECT 1;")]);
        let asked = read(&[folder.path().join("1_a.sql")], Some("plain"), folder.path());
        assert_eq!(asked.expect("asked for").files.len(), 1);
    }

    #[test]
    fn paths_that_hold_nothing_are_refused() {
        let folder = folder(&[("empty/README.md", ""), ("migrations/1_a.sql", "SELECT 1")]);
        let message = |path: &str, layout| {
            let path = if path.is_empty() { PathBuf::new() } else { folder.path().join(path) };
            read(&[path], layout, folder.path()).expect_err("nothing there").to_string()
        };
        assert!(message("", None).starts_with("no migrations given"));
        assert!(read(&[], None, folder.path()).is_err());
        assert!(message("nowhere.sql", None).contains("nowhere.sql: no such file or directory"));
        for layout in [None, Some("plain"), Some("sqlx")] {
            assert!(message("empty", layout).contains("no migrations here: looked for"), "{layout:?}");
            assert!(message(".", layout).contains("did you mean"), "{layout:?}");
        }
    }
}
