//! Connections to copies. What an application's library might do differently is set on every one of them: foreign keys
//! are off unless they are asked for, extensions cannot be loaded, and no other file can be reached.

use crate::engine::ServerError;
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Virtual machine instructions between two looks at [`Stop`]: some hundred microseconds.
const LOOK_EVERY: i32 = 20_000;

/// Ends what connections do: from another thread, or when their time is up.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    ended: Arc<AtomicBool>,
    run: Arc<Run>,
}

/// One run with a time limit.
#[derive(Debug, Default)]
struct Run {
    /// Looks since it began.
    looks: AtomicU64,
    /// When it has to end, in microseconds of [`CLOCK`]; 0 for never.
    deadline: AtomicU64,
    /// It did not end before.
    expired: AtomicBool,
}

/// What deadlines are counted from.
static CLOCK: LazyLock<Instant> = LazyLock::new(Instant::now);

fn microseconds() -> u64 {
    u64::try_from(CLOCK.elapsed().as_micros()).unwrap_or(u64::MAX)
}

impl Stop {
    /// Every statement under way ends with `SQLITE_INTERRUPT`, and so does every later one.
    pub fn now(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Whether it is time to end.
    pub fn is_due(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Ends together with this one, and has time limits of its own: for a connection that works beside others.
    pub fn beside(&self) -> Self {
        Self { ended: Arc::clone(&self.ended), run: Arc::default() }
    }

    /// Whatever connections with this stop run until the value is dropped ends with `SQLITE_INTERRUPT` after `limit`.
    pub fn limit(&self, limit: Duration) -> Limit<'_> {
        let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        self.run.looks.store(0, Ordering::Relaxed);
        self.run.expired.store(false, Ordering::Relaxed);
        self.run.deadline.store(microseconds().saturating_add(limit).max(1), Ordering::Relaxed);
        Limit(&self.run)
    }

    /// One look: whether to end now.
    fn look(&self) -> bool {
        self.run.looks.fetch_add(1, Ordering::Relaxed);
        let deadline = self.run.deadline.load(Ordering::Relaxed);
        if deadline > 0 && microseconds() >= deadline {
            self.run.expired.store(true, Ordering::Relaxed);
            return true;
        }
        self.is_due()
    }
}

/// A time limit, for as long as it lives.
#[derive(Debug)]
pub struct Limit<'a>(&'a Run);

impl Limit<'_> {
    /// Whether something ended because of it.
    pub fn is_over(&self) -> bool {
        self.0.expired.load(Ordering::Relaxed)
    }

    /// Virtual machine instructions since it began, to the last look.
    pub fn instructions(&self) -> u64 {
        self.0.looks.load(Ordering::Relaxed).saturating_mul(LOOK_EVERY.unsigned_abs().into())
    }
}

impl Drop for Limit<'_> {
    fn drop(&mut self) {
        self.0.deadline.store(0, Ordering::Relaxed);
    }
}

/// What a statement asks for while it is prepared, as SQLite itself understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Rows of a table are inserted.
    Insert(String),
    /// Rows of a table are updated.
    Update(String),
    /// Rows of a table are deleted.
    Delete(String),
    /// `ALTER TABLE`.
    Alter(String),
    /// `CREATE INDEX`.
    CreateIndex {
        /// Its name.
        index: String,
        /// Its table.
        table: String,
    },
    /// `REINDEX`, of one index.
    Reindex(String),
    /// `PRAGMA`, with its value where one is given.
    Pragma(String, Option<String>),
    /// `VACUUM`, seen by the temporary file it attaches.
    Vacuum,
}

/// Notes down what statements ask for; taken by whoever watches them.
#[derive(Debug, Clone, Default)]
pub struct Asking(Arc<Mutex<Vec<Asked>>>);

impl Asking {
    /// What was asked for since the last time.
    pub fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, context: &AuthContext<'_>) {
        // What triggers do is counted where it happens, and temporary objects are nobody's.
        if context.accessor.is_some() || context.database_name == Some("temp") {
            return;
        }
        let asked = match context.action {
            AuthAction::Insert { table_name } => Asked::Insert(table_name.to_owned()),
            AuthAction::Update { table_name, .. } => Asked::Update(table_name.to_owned()),
            AuthAction::Delete { table_name } => Asked::Delete(table_name.to_owned()),
            AuthAction::AlterTable { table_name, .. } => Asked::Alter(table_name.to_owned()),
            AuthAction::CreateIndex { index_name, table_name } => {
                Asked::CreateIndex { index: index_name.to_owned(), table: table_name.to_owned() }
            }
            AuthAction::Reindex { index_name } => Asked::Reindex(index_name.to_owned()),
            AuthAction::Pragma { pragma_name, pragma_value } => {
                Asked::Pragma(pragma_name.to_ascii_lowercase(), pragma_value.map(str::to_owned))
            }
            AuthAction::Attach { filename: "" } => Asked::Vacuum,
            _ => return,
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(&asked) {
            all.push(asked);
        }
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Runs untrusted SQL, which may write: migrations, rollback scripts.
    Migration {
        /// `PRAGMA foreign_keys`, as the application's library sets it.
        foreign_keys: bool,
    },
    /// Looks, and never writes.
    Observer,
}

/// How long a connection waits for a lock that another one of ours holds.
const BUSY: Duration = Duration::from_secs(5);

/// Opens a copy.
///
/// # Errors
/// No database, a damaged one, or no right to read it.
pub fn open(path: &Path, purpose: Purpose, stop: &Stop) -> Result<rusqlite::Connection, ServerError> {
    open_noting(path, purpose, stop, None)
}

/// The same, noting down what its statements ask for.
///
/// # Errors
/// As [`open`].
pub fn open_noting(
    path: &Path,
    purpose: Purpose,
    stop: &Stop,
    asking: Option<Asking>,
) -> Result<rusqlite::Connection, ServerError> {
    let access = match purpose {
        Purpose::Migration { .. } => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Purpose::Observer => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    // No URIs: a file may be called `file:x`. No mutex: a connection stays on its thread.
    let mut connection = rusqlite::Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    let foreign_keys = purpose == Purpose::Migration { foreign_keys: true };
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, foreign_keys)?;
    // Functions of views and triggers that reach outside the database: a dump or a file may come from anywhere.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, purpose != Purpose::Observer)?;
    if purpose == Purpose::Observer {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    }
    let ends = stop.clone();
    connection.progress_handler(LOOK_EVERY, Some(move || ends.look()))?;
    connection.authorizer(Some(move |asked: AuthContext<'_>| {
        if let Some(asking) = &asking {
            asking.note(&asked);
        }
        confine(&asked)
    }))?;
    Ok(connection)
}

/// A database in memory, to try a schema on. What it is given may come from anywhere.
///
/// # Errors
/// No memory.
pub fn in_memory() -> Result<rusqlite::Connection, ServerError> {
    let mut connection = rusqlite::Connection::open_in_memory()?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
    connection.authorizer(Some(|asked: AuthContext<'_>| confine(&asked)))?;
    Ok(connection)
}

/// Refuses what leaves the copy: other files and loaded code. `VACUUM` attaches a database without a name, which is its
/// own temporary file.
fn confine(asked: &AuthContext<'_>) -> Authorization {
    match asked.action {
        AuthAction::Attach { filename } if !matches!(filename, "" | ":memory:") => Authorization::Deny,
        AuthAction::Function { function_name }
            if ["load_extension", "fts3_tokenizer"].iter().any(|name| name.eq_ignore_ascii_case(function_name)) =>
        {
            Authorization::Deny
        }
        AuthAction::Pragma { pragma_name, pragma_value: Some(_) } if outward(pragma_name) => Authorization::Deny,
        // A name that is no constant is not known yet; an action nobody knows may be anything.
        AuthAction::Unknown { .. } => Authorization::Deny,
        _ => Authorization::Allow,
    }
}

/// Pragmas that name places on the disk.
fn outward(pragma: &str) -> bool {
    ["temp_store_directory", "data_store_directory"].iter().any(|name| name.eq_ignore_ascii_case(pragma))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("copy.db");
        let made = rusqlite::Connection::open(&path).expect("made");
        made.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)").expect("filled");
        (folder, path)
    }

    #[test]
    fn nothing_outside_the_copy_can_be_reached() {
        let (folder, path) = copy();
        let other = folder.path().join("other.db");
        let connection = open(&path, Purpose::Migration { foreign_keys: false }, &Stop::default()).expect("open");
        for sql in [
            format!("ATTACH '{}' AS other", other.display()),
            format!("ATTACH lower('{}') AS other", other.display()),
            format!("VACUUM INTO '{}'", other.display()),
            "SELECT load_extension('x')".to_owned(),
            format!("PRAGMA temp_store_directory = '{}'", folder.path().display()),
        ] {
            let refused = ServerError::from(connection.execute_batch(&sql).expect_err(&sql));
            assert!(["42501", "42883", "42000"].contains(&refused.sqlstate.as_str()), "{sql}: {refused:?}");
        }
        assert!(!other.exists());
        connection.execute_batch("VACUUM; ATTACH ':memory:' AS scratch; CREATE TABLE scratch.t (a)").expect("inside");
    }

    #[test]
    fn foreign_keys_are_as_asked_for_and_observers_cannot_write() {
        let (_folder, path) = copy();
        for (purpose, on) in [
            (Purpose::Migration { foreign_keys: false }, 0),
            (Purpose::Migration { foreign_keys: true }, 1),
            (Purpose::Observer, 0),
        ] {
            let connection = open(&path, purpose, &Stop::default()).expect("open");
            assert_eq!(connection.query_row("PRAGMA foreign_keys", [], |row| row.get::<_, i64>(0)), Ok(on));
        }
        let observer = open(&path, Purpose::Observer, &Stop::default()).expect("open");
        let refused = ServerError::from(observer.execute_batch("DELETE FROM t").expect_err("read-only"));
        assert_eq!(refused.result_code, Some("SQLITE_READONLY"));
    }

    #[test]
    fn whatever_runs_can_be_ended_from_outside() {
        let (_folder, path) = copy();
        let stop = Stop::default();
        let connection = open(&path, Purpose::Observer, &stop).expect("open");
        stop.now();
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        let ended = ServerError::from(connection.query_row(endless, [], |_| Ok(())).expect_err("ended"));
        assert_eq!(ended.result_code, Some("SQLITE_INTERRUPT"));
    }

    #[test]
    fn a_limit_ends_what_runs_and_nothing_after_it() {
        let (_folder, path) = copy();
        let stop = Stop::default();
        let other = stop.beside();
        let connection = open(&path, Purpose::Observer, &stop).expect("open");
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
        let limit = stop.limit(Duration::from_millis(20));
        let ended = ServerError::from(connection.query_row(endless, [], |_| Ok(())).expect_err("ended"));
        assert_eq!(ended.result_code, Some("SQLITE_INTERRUPT"));
        assert!(limit.is_over() && limit.instructions() > 0);
        drop(limit);
        let some = endless.replace("FROM n)", "FROM n LIMIT 100000)");
        assert_eq!(connection.query_row(&some, [], |row| row.get::<_, i64>(0)), Ok(100_000));
        assert!(!other.is_due());
        stop.now();
        assert!(other.is_due());
    }
}
