//! Connections to copies. What an application's library might do differently is set on every one of them: foreign keys
//! are off unless they are asked for, extensions cannot be loaded, and no other file can be reached.

use crate::engine::ServerError;
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Virtual machine instructions between two looks at [`Stop`]: some hundred microseconds.
const LOOK_EVERY: i32 = 20_000;

/// Ends what connections do, from another thread.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Every statement under way ends with `SQLITE_INTERRUPT`, and so does every later one.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is time to end.
    pub fn is_due(&self) -> bool {
        self.0.load(Ordering::Relaxed)
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
    connection.progress_handler(LOOK_EVERY, Some(move || ends.is_due()))?;
    connection.authorizer(Some(confine))?;
    Ok(connection)
}

/// A database in memory, to try a schema on. What it is given may come from anywhere.
///
/// # Errors
/// No memory.
pub fn in_memory() -> Result<rusqlite::Connection, ServerError> {
    let mut connection = rusqlite::Connection::open_in_memory()?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
    connection.authorizer(Some(confine))?;
    Ok(connection)
}

/// Refuses what leaves the copy: other files and loaded code. `VACUUM` attaches a database without a name, which is its
/// own temporary file.
fn confine(asked: AuthContext<'_>) -> Authorization {
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
}
