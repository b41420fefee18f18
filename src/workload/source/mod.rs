//! Where hot queries are registered.

mod header;
mod regresql;
pub(crate) mod spelling;
pub mod sql_file;
mod sqlx_offline;

use super::HotQuery;
use crate::migration::SourceFile;
use crate::migration::script::Dialect;
use crate::migration::source_file::SourceFileError;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What one file holds.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// What can be planned.
    pub queries: Vec<HotQuery>,
    /// Mistakes in the file.
    pub refused: Vec<WorkloadError>,
    /// What is as it should be and has no plan: snippets, utility statements.
    pub passed_over: Vec<WorkloadError>,
}

/// Reads the hot queries of one file, in the SQL of an engine.
type Read = fn(&Arc<SourceFile>, Dialect) -> Reading;

/// A kind of file with hot queries.
struct Kind {
    /// How its name begins and ends.
    name: (&'static str, &'static str),
    read: Read,
}

/// Every kind of file with hot queries. A new one is one file and one line here.
const SOURCES: &[Kind] = &[
    Kind { name: ("", ".sql"), read: sql_file::read_each },
    Kind { name: ("query-", ".json"), read: sqlx_offline::read_each },
];

/// What reads a file of this name, if the name is known.
fn reader(name: &str) -> Option<Read> {
    let name = name.rsplit('/').next().unwrap_or(name);
    let kind = SOURCES.iter().find(|kind| name.starts_with(kind.name.0) && name.ends_with(kind.name.1));
    kind.map(|kind| kind.read)
}

/// Whether a file or folder of this name is one of queries, rather than a log.
pub(crate) fn is_known(name: &str) -> bool {
    reader(name).is_some()
}

/// Everything that was read, and what was not.
#[derive(Debug, Default)]
pub struct Loaded {
    /// In the order of paths and files.
    pub queries: Vec<HotQuery>,
    /// Mistakes, each with its place.
    pub refused: Vec<WorkloadError>,
    /// What has no plan by its nature, each with its place.
    pub passed_over: Vec<WorkloadError>,
}

/// Reads the hot queries of every file, and of every file of [`SOURCES`] below every directory, sorted by path.
///
/// A file that is named itself may be called anything: it is SQL where nothing else is known.
///
/// `root` is what the names of files are relative to, `dialect` whose SQL they hold.
///
/// # Errors
/// A path that cannot be read or holds no queries, or a query that cannot be understood; always with its place.
pub fn load(paths: &[PathBuf], root: &Path, dialect: Dialect) -> Result<Vec<HotQuery>, WorkloadError> {
    load_strictly(paths, root, dialect).map(|loaded| loaded.queries)
}

/// The same, with what has no plan by its nature: there are no mistakes in what is returned.
///
/// # Errors
/// As [`load`].
pub fn load_strictly(paths: &[PathBuf], root: &Path, dialect: Dialect) -> Result<Loaded, WorkloadError> {
    let mut loaded = load_each(paths, root, dialect)?;
    if loaded.refused.is_empty() { Ok(loaded) } else { Err(loaded.refused.remove(0)) }
}

/// The same, leniently: a mistake keeps nothing else from being read.
///
/// # Errors
/// A path that is not there or holds no file of queries.
pub fn load_each(paths: &[PathBuf], root: &Path, dialect: Dialect) -> Result<Loaded, WorkloadError> {
    let mut files = Vec::new();
    let mut seen = HashSet::new();
    for path in paths {
        collect(path, &mut seen, &mut files)?;
    }
    let mut loaded = Loaded::default();
    let mut names: HashMap<String, String> = HashMap::new();
    for path in files {
        let file = match SourceFile::read(&path, root) {
            Ok(file) => Arc::new(file),
            Err(error) => {
                loaded.refused.push(error.into());
                continue;
            }
        };
        let reading = reader(&file.name).unwrap_or(sql_file::read_each)(&file, dialect);
        loaded.refused.extend(reading.refused);
        loaded.passed_over.extend(reading.passed_over);
        for mut query in reading.queries {
            if let Some(first) = names.get(&query.name) {
                let reason = format!("the name {} is taken by the query at {first}: rename one of them", query.name);
                loaded.refused.push(WorkloadError::place(&file, query.offset, reason));
                continue;
            }
            match regresql::sets(&query) {
                Ok(sets) => query.sets.extend(sets),
                Err(error) => loaded.refused.push(error),
            }
            names.insert(query.name.clone(), query.place());
            loaded.queries.push(query);
        }
    }
    Ok(loaded)
}

/// Adds the files that `path` names, each once however often it is named.
fn collect(path: &Path, seen: &mut HashSet<PathBuf>, files: &mut Vec<PathBuf>) -> Result<(), WorkloadError> {
    let error = |reason: String| WorkloadError::Path { path: path.to_owned(), reason };
    if path.as_os_str().is_empty() {
        return Err(error("an empty path for hot queries: name a file or a directory".to_owned()));
    }
    let canonical = path.canonicalize().map_err(|source| {
        error(format!("{source}: check the spelling; paths are relative to the working directory, those in seatrial.toml to its folder"))
    })?;
    if !canonical.is_dir() {
        if seen.insert(canonical) {
            files.push(path.to_owned());
        }
        return Ok(());
    }
    let mut below = Vec::new();
    walk(path, &mut HashSet::new(), &mut below)
        .map_err(|source| WorkloadError::File(SourceFileError::Read { path: path.to_owned(), source }))?;
    if below.is_empty() {
        let names: Vec<String> = SOURCES.iter().map(|kind| format!("{}*{}", kind.name.0, kind.name.1)).collect();
        let names = names.join(" and ");
        return Err(error(format!("no hot queries here: looked for {names}, in every folder below")));
    }
    below.sort();
    // A file just found has a canonical path; if it vanished since, reading it reports that.
    files.extend(below.into_iter().filter(|file| seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone()))));
    Ok(())
}

/// Finds the files of [`SOURCES`] below a folder. Hidden folders are passed over, and links that lead round in circles end.
fn walk(folder: &Path, visited: &mut HashSet<PathBuf>, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !visited.insert(folder.canonicalize()?) {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() && !name.starts_with('.') {
            walk(&path, visited, found)?;
        } else if path.is_file() && reader(&name).is_some() {
            found.push(path);
        }
    }
    Ok(())
}

/// Hot queries that cannot be read. All of these are wrong usage or configuration.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// A path that is not there, or without queries.
    #[error("{path}: {reason}", path = path.display())]
    Path {
        /// As given.
        path: PathBuf,
        /// What is wrong with it, and the next step.
        reason: String,
    },
    /// A file that cannot be read.
    #[error(transparent)]
    File(#[from] SourceFileError),
    /// A place in a file.
    #[error("{file}:{line}: {reason}")]
    Place {
        /// The file's name for people.
        file: String,
        /// 1-based line.
        line: usize,
        /// What is wrong there, and the next step.
        reason: String,
    },
}

impl WorkloadError {
    fn place(file: &SourceFile, offset: usize, reason: impl Into<String>) -> Self {
        Self::Place { file: file.name.clone(), line: file.position(offset).line, reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        folder
    }

    fn loaded(folder: &tempfile::TempDir, paths: &[&str]) -> Result<Vec<HotQuery>, WorkloadError> {
        let paths: Vec<PathBuf> = paths.iter().map(|path| folder.path().join(path)).collect();
        load(&paths, folder.path(), Dialect::PostgreSql)
    }

    #[test]
    fn folders_are_read_through_and_each_file_once() {
        let folder = folder(&[
            ("q/b.sql", "-- name: b\nSELECT 1;"),
            ("q/a/deep.sql", "-- name: deep\nSELECT 1;"),
            ("q/.hidden/no.sql", "SELECT 1"),
            ("q/readme.md", ""),
            ("z.sql", "-- name: z\nSELECT 1;"),
        ]);
        std::os::unix::fs::symlink(folder.path().join("q"), folder.path().join("q/a/round")).expect("a link");
        let queries = loaded(&folder, &["z.sql", "q", "q/b.sql"]).expect("readable");
        let found: Vec<(&str, &str)> =
            queries.iter().map(|query| (query.name.as_str(), query.file.name.as_str())).collect();
        assert_eq!(found, [("z", "z.sql"), ("deep", "q/a/deep.sql"), ("b", "q/b.sql")]);
    }

    #[test]
    fn no_paths_are_no_queries() {
        assert_eq!(load(&[], Path::new("."), Dialect::PostgreSql).expect("nothing to read"), []);
    }

    #[test]
    fn paths_that_hold_nothing_are_refused() {
        let folder = folder(&[("empty/readme.md", ""), ("none.sql", "-- only words\n"), ("zero.sql", "")]);
        let message = |path| loaded(&folder, &[path]).expect_err("nothing there").to_string();
        assert!(message("nowhere").contains("nowhere: No such file or directory"));
        assert!(message("empty").contains("empty: no hot queries here"));
        for file in ["none.sql", "zero.sql"] {
            assert!(message(file).starts_with(&format!("{file}:1: no queries here")), "{}", message(file));
        }
        assert!(
            load(&[PathBuf::new()], folder.path(), Dialect::PostgreSql)
                .expect_err("empty")
                .to_string()
                .contains("an empty path")
        );
    }

    #[test]
    fn a_name_is_unique_over_all_files() {
        let folder = folder(&[
            ("a.sql", "-- name: Get\nSELECT 1;"),
            ("b.sql", "-- name: get\nSELECT 1;\n-- name: Get\nSELECT 2;"),
        ]);
        let error = loaded(&folder, &["a.sql", "b.sql"]).expect_err("twice");
        assert_eq!(error.to_string(), "b.sql:4: the name Get is taken by the query at a.sql:2: rename one of them");
    }
}
