//! Bases: a source taken once, whole and checked, in the cache. No untrusted SQL runs in one after it is made.

use super::SqliteSource;
use super::file::{self, FileError, beside};
use crate::copy::fidelity::Grade;
use crate::copy::fingerprint::{hexadecimal, write_private};
use crate::copy::state::{BaseSlot, PartialBase, ReadyBase, RunDir, StateDir, StateError};
use crate::engine::ServerError;
use crate::engine::sqlite::connection::{self, Purpose, Stop};
use crate::engine::sqlite::{checks, schema, sizes, worker};
use crate::migration::script::{Dialect, LineError, LineStatement, Splitter};
use crate::observation::embedded::Checks;
use crate::progress::{Activity, Unit};
use crate::snapshot::sqlite::TableKind;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use thiserror::Error;

/// Raised whenever a base made by an older Seatrial must not be used any more.
const FORMAT: u32 = 1;
const RECORD: &str = "sqlite.json";
/// The file's name in every folder of ours.
pub(super) const DATABASE: &str = "copy.db";

/// Why there is no base, or no copy of it.
#[derive(Debug, Error)]
pub enum SqliteBaseError {
    /// The source cannot be taken.
    #[error(transparent)]
    File(#[from] FileError),
    /// The cache cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// SQLite refuses the copy.
    #[error("the copy of the source cannot be used: {0}")]
    Sqlite(#[from] ServerError),
    /// SQL text that SQLite refuses.
    #[error("{path}:{line}: {error}; was the dump made with `.dump` of the sqlite3 shell?", path = path.display())]
    Script {
        /// The file.
        path: PathBuf,
        /// 1-based, where the statement begins.
        line: usize,
        /// What SQLite says.
        error: ServerError,
    },
    /// Text that cannot be cut into statements.
    #[error("{path}: {error}", path = path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        error: LineError,
    },
    /// The operating system refused.
    #[error("cannot {action} {path}: {error}", path = path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Its answer.
        error: io::Error,
    },
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SqliteBaseError {
    let path = path.to_owned();
    move |error| SqliteBaseError::Io { action, path, error }
}

/// Makes a folder closed to others.
pub(super) fn make_folder(path: &Path) -> Result<(), SqliteBaseError> {
    std::fs::DirBuilder::new().mode(0o700).create(path).map_err(failed("create", path))
}

/// What is known of a base, kept beside it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    format: u32,
    /// Rows of all tables.
    pub rows: u64,
    /// Size of the file.
    pub bytes: u64,
    /// How true it is to the source.
    pub grade: Grade,
    /// What people should know.
    pub notes: Vec<String>,
    /// What the database's own checks say.
    pub checks: Checks,
    /// What it was first made from, for people.
    pub source: Option<String>,
}

/// A source in the cache.
#[derive(Debug, Clone)]
pub struct Base {
    ready: Arc<ReadyBase>,
    /// What is known of it.
    pub record: Record,
    /// It was in the cache already.
    pub reused: bool,
    /// When the source was read.
    pub taken_at: SystemTime,
}

impl Base {
    /// The base of a source: from the cache, or made now. `progress` is told what takes time.
    ///
    /// # Errors
    /// A source that cannot be taken, that SQLite refuses, or no room.
    pub async fn obtain(
        state: &StateDir,
        run: &RunDir,
        source: &SqliteSource,
        activity: &Activity,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Self, SqliteBaseError> {
        let taken_at = SystemTime::now();
        let folder = run.fresh_path("source");
        make_folder(&folder)?;
        let path = folder.join(DATABASE);
        let digest = {
            let (source, path, activity) = (source.clone(), path.clone(), activity.clone());
            worker::run(move |_| take(&source, &path, &activity)).await?
        };
        let key = format!("sqlite-{FORMAT}-{digest}");
        let partial = match state.base(&key, read_record).await? {
            BaseSlot::Ready(ready, record) => {
                let _ = std::fs::remove_dir_all(&folder);
                return Ok(Self { ready: Arc::new(ready), record, reused: true, taken_at });
            }
            BaseSlot::Missing(partial) => partial,
        };
        if partial.replaces_a_damaged_one {
            progress("the cached copy of the source is damaged: making it anew");
        }
        progress(&format!("taking a copy of {}", source.name()));
        let record = {
            let (source, path) = (source.clone(), path.clone());
            worker::run(move |stop| make(&source, &path, stop)).await?
        };
        let ready = publish(partial, &path, &record)?;
        let _ = std::fs::remove_dir_all(&folder);
        Ok(Self { ready: Arc::new(ready), record, reused: false, taken_at })
    }

    /// The database: never to be opened for writing.
    pub fn path(&self) -> PathBuf {
        self.ready.folder().join(DATABASE)
    }

    /// Bytes a copy takes at most.
    pub fn copied_bytes(&self) -> u64 {
        self.record.bytes
    }
}

fn publish(partial: PartialBase, from: &Path, record: &Record) -> Result<ReadyBase, SqliteBaseError> {
    let to = partial.path().join(DATABASE);
    std::fs::rename(from, &to).map_err(failed("move", from))?;
    let text = serde_json::to_vec_pretty(record).map_err(io::Error::from);
    let path = partial.path().join(RECORD);
    text.and_then(|text| write_private(&path, &text)).map_err(failed("write", &path))?;
    Ok(partial.publish()?)
}

fn read_record(folder: &Path) -> Option<Record> {
    let record: Record = serde_json::from_slice(&std::fs::read(folder.join(RECORD)).ok()?).ok()?;
    let size = std::fs::metadata(folder.join(DATABASE)).ok()?.len();
    (record.format == FORMAT && size == record.bytes).then_some(record)
}

/// Takes the source to `path` and says what tells it from others. Of a script, its text is taken.
fn take(source: &SqliteSource, path: &Path, activity: &Activity) -> Result<String, SqliteBaseError> {
    match source {
        SqliteSource::File(file) => file::take(file, path, activity)?,
        SqliteSource::Script { path: script, .. } => file::copy(script, path, activity)?,
        SqliteSource::Empty => drop(File::create_new(path).map_err(failed("create", path))?),
    }
    let mut digest = Sha256::new();
    digest.update(match source {
        SqliteSource::File(_) => "file",
        SqliteSource::Script { .. } => "script",
        SqliteSource::Empty => "empty",
    });
    for part in [path.to_owned(), beside(path, "-wal"), beside(path, "-journal")] {
        if let Ok(size) = std::fs::metadata(&part).map(|part| part.len()) {
            digest.update(size.to_le_bytes());
            hash(&part, size, &mut digest, activity)?;
        }
    }
    Ok(hexadecimal(&digest.finalize()))
}

fn hash(path: &Path, size: u64, digest: &mut Sha256, activity: &Activity) -> Result<(), SqliteBaseError> {
    let mut file = File::open(path).map_err(failed("open", path))?;
    let counter = activity.count("hashed", Unit::Bytes, Some(size));
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).map_err(failed("read", path))?;
        if read == 0 {
            return Ok(());
        }
        digest.update(&buffer[..read]);
        counter.add(read as u64);
    }
}

/// Makes what was taken whole, and looks at it.
fn make(source: &SqliteSource, path: &Path, stop: &Stop) -> Result<Record, SqliteBaseError> {
    let mut notes = Vec::new();
    if let SqliteSource::Script { path: script, packing } = source {
        std::fs::remove_file(path).map_err(failed("remove", path))?;
        let file = File::open(script).map_err(failed("open", script))?;
        let text: Box<dyn Read> = match packing {
            Some(packing) => packing.unpack(file),
            None => Box::new(file),
        };
        drop(File::create_new(path).map_err(failed("create", path))?);
        run_script(script, BufReader::with_capacity(1 << 17, text), path, stop)?;
    }
    let opened = connection::open(path, Purpose::Migration { foreign_keys: false }, stop)?;
    // Whatever log or journal came along goes into the file now.
    let in_wal_mode = opened
        .query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0))
        .map_err(ServerError::from)?
        .eq_ignore_ascii_case("wal");
    if in_wal_mode {
        opened.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(ServerError::from)?;
    }
    let schema = schema::read(&opened)?;
    let mut rows = 0;
    for table in schema.tables.values().filter(|table| table.kind == TableKind::Ordinary) {
        rows += sizes::rows(&opened, &table.name)?;
    }
    let closed: Vec<&str> = schema
        .tables
        .values()
        .filter(|table| table.kind == TableKind::Virtual && table.columns.is_empty())
        .map(|table| table.name.as_str())
        .collect();
    if !closed.is_empty() {
        notes.push(format!(
            "{}: virtual tables of a module that is not compiled into this SQLite: what touches them fails here",
            closed.join(", ")
        ));
    }
    let checks = checks::run(&opened)?;
    let analyzed = opened
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'", [], |row| row.get::<_, i64>(0))
        .map_err(ServerError::from)?;
    drop(opened);
    let grade = match source {
        SqliteSource::File(_) => Grade::Physical,
        SqliteSource::Script { .. } if analyzed > 0 => Grade::LogicalWithStatistics,
        SqliteSource::Script { .. } => Grade::Logical,
        SqliteSource::Empty => Grade::SchemaOnly,
    };
    let bytes = std::fs::metadata(path).map_err(failed("read", path))?.len();
    let source = Some(source.name()).filter(|_| *source != SqliteSource::Empty);
    Ok(Record { format: FORMAT, rows, bytes, grade, notes, checks, source })
}

/// Runs a dump into an empty database, statement by statement as it is read.
fn run_script(script: &Path, mut text: impl BufRead, path: &Path, stop: &Stop) -> Result<(), SqliteBaseError> {
    let opened = connection::open(path, Purpose::Migration { foreign_keys: false }, stop)?;
    // Nobody needs it after a crash.
    opened.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF").map_err(ServerError::from)?;
    let refused = |line: usize, error: rusqlite::Error| SqliteBaseError::Script {
        path: script.to_owned(),
        line,
        error: error.into(),
    };
    let run = |statement: LineStatement| -> Result<(), SqliteBaseError> {
        let refused = |error| refused(statement.line, error);
        let mut prepared = opened.prepare(&statement.text).map_err(refused)?;
        let mut rows = prepared.query([]).map_err(refused)?;
        while rows.next().map_err(refused)?.is_some() {}
        Ok(())
    };
    let cut = |error: LineError| SqliteBaseError::Text { path: script.to_owned(), error };
    let (mut splitter, mut line, mut number) = (Splitter::new_in(Dialect::Sqlite), String::new(), 0);
    loop {
        line.clear();
        number += 1;
        if text.read_line(&mut line).map_err(failed("read", script))? == 0 {
            break;
        }
        let line = if number == 1 { line.trim_start_matches('\u{feff}') } else { &line };
        splitter.push(number, line).map_err(cut)?.into_iter().try_for_each(run)?;
    }
    splitter.finish().map_err(cut)?.map_or(Ok(()), run)?;
    if !opened.is_autocommit() {
        opened.execute_batch("COMMIT").map_err(|error| refused(number, error))?;
    }
    opened.execute_batch("PRAGMA journal_mode = DELETE").map_err(ServerError::from)?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<i64, SqliteBaseError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy.db");
        File::create_new(&path).unwrap();
        run_script(Path::new("app.sql"), text.as_bytes(), &path, &Stop::default())?;
        let opened = connection::open(&path, Purpose::Observer, &Stop::default()).unwrap();
        Ok(opened.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap())
    }

    #[test]
    fn a_dump_of_the_shell_is_loaded_line_by_line() {
        let dump = "\u{feff}PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t (a, b TEXT);\n\
                    INSERT INTO t VALUES (1, 'a;\nb');INSERT INTO t VALUES (2, 'c');\n\
                    CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END;\nCOMMIT";
        assert_eq!(load(dump).unwrap(), 2);
        // One that was cut off in its last transaction is what it is.
        assert_eq!(load("BEGIN; CREATE TABLE t (a); INSERT INTO t VALUES (1);").unwrap(), 1);
    }

    #[test]
    fn what_is_refused_is_told_with_its_line() {
        for (text, told) in [
            ("CREATE TABLE t (a);\nINSERT INTO u VALUES (1);\n", "app.sql:2: no such table: u"),
            ("CREATE TABLE t (a);\n.mode csv\n", "app.sql: line 2"),
            ("CREATE TABLE t (a);\nINSERT INTO t VALUES ('a", "app.sql: line 2"),
        ] {
            let refused = load(text).unwrap_err().to_string();
            assert!(refused.starts_with(told), "{refused}");
        }
    }
}
