//! Runs pending migrations on a copy, in the transaction mode the real runner uses.
//!
//! As on PostgreSQL, whoever wants to see something implements [`Watch`]. Whether a transaction is open, and how it ended,
//! is SQLite's own word: its commit and rollback hooks.

use super::connection::{Asking, Purpose, Stop, open_noting};
use crate::engine::ServerError;
use crate::engine::applied::{Applied, Failure};
use crate::migration::{Migration, Statement, TransactionMode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, StatementStatus};
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where and how to run.
#[derive(Debug, Clone)]
pub struct Target {
    /// The copy.
    pub path: PathBuf,
    /// `PRAGMA foreign_keys`, where the project says how the runner's connection has it; else it is as the runner sets it, and
    /// off where that does not.
    pub foreign_keys: Option<bool>,
}

/// Sees every statement before and after it runs.
pub trait Watch {
    /// A connection was opened for the statements that follow.
    ///
    /// # Errors
    /// Trouble of the watcher's own; ends the run.
    fn connected(&mut self, _connection: &mut Connection, _asking: &Asking) -> Result<(), ServerError> {
        Ok(())
    }

    /// Just before a statement is sent.
    ///
    /// # Errors
    /// As above.
    fn before(&mut self, _connection: &Connection, _statement: &Statement) -> Result<(), ServerError> {
        Ok(())
    }

    /// Just after it was answered; a transaction it stands in is still open.
    ///
    /// # Errors
    /// As above.
    fn after(&mut self, _connection: &Connection, _statement: &Statement, _ran: &Ran<'_>) -> Result<(), ServerError> {
        Ok(())
    }

    /// A transaction is over that held statements, or a statement that was one by itself.
    ///
    /// # Errors
    /// As above.
    fn transaction_ended(&mut self, _connection: &Connection, _ended: Ended) -> Result<(), ServerError> {
        Ok(())
    }
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ended {
    /// Its effect stays.
    pub committed: bool,
    /// It wrote something that was committed.
    pub wrote: bool,
    /// How long its commit took.
    pub committing: Duration,
    /// Size of the rollback journal as the commit began, in bytes; 0 in WAL mode.
    pub journal_bytes: u64,
}

/// Watches nothing.
#[derive(Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}

/// How a statement went.
#[derive(Debug)]
pub struct Ran<'run> {
    /// Rows it changed by itself, or the refusal.
    pub result: &'run Result<u64, ServerError>,
    /// When it was sent.
    pub started: Instant,
    /// From sending to the answer.
    pub duration: Duration,
    /// A transaction was open before it.
    pub in_transaction: bool,
    /// It may write to the database.
    pub writes: bool,
    /// Instructions of the virtual machine.
    pub vm_steps: u64,
}

/// How transactions end, by SQLite's own hooks.
#[derive(Debug, Clone, Default)]
struct Ends {
    commits: Arc<AtomicU64>,
    rollbacks: Arc<AtomicU64>,
    /// When the last commit began, and how large the rollback journal was then.
    began: Arc<Mutex<Option<(Instant, u64)>>>,
}

impl Ends {
    fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    fn rollbacks(&self) -> u64 {
        self.rollbacks.load(Ordering::Relaxed)
    }

    /// The transaction that is over now. Where nothing was written there was nothing to commit.
    fn ended(&self, wrote: bool) -> Ended {
        let began = *self.began.lock().unwrap_or_else(PoisonError::into_inner);
        match began.filter(|_| wrote) {
            Some((began, journal_bytes)) => {
                Ended { committed: true, wrote, committing: began.elapsed(), journal_bytes }
            }
            None => Ended { committed: true, ..Ended::default() },
        }
    }
}

/// Runs `migrations` in order and stops at the first refusal, as runners do. `stop_after` ends the run once that statement
/// ran; its transaction is rolled back when it has not ended by then.
///
/// # Errors
/// Only when the copy or the watcher breaks; a migration that fails is [`Applied::failure`].
pub fn apply(
    target: &Target,
    migrations: &[Migration],
    stop_after: Option<usize>,
    stop: &Stop,
    watch: &mut dyn Watch,
) -> Result<Applied, ServerError> {
    let Some(first) = migrations.first() else { return Ok(Applied::default()) };
    let (connection, ends) = connect(target, first, stop, watch)?;
    let mut run = Run {
        connection,
        foreign_keys: target.foreign_keys,
        ends,
        watch,
        applied: Applied::default(),
        by_runner: false,
        open: Vec::new(),
        whole: 0,
    };
    let mut stopped = false;
    for (at, migration) in migrations.iter().enumerate() {
        let goes_on = at > 0 && migrations[at - 1].version == migration.version;
        let goes_on = goes_on || run.is_open();
        if at > 0 && migration.connection.fresh_for_each && !goes_on {
            (run.connection, run.ends) = connect(target, migration, stop, run.watch)?;
        }
        stopped = run.migration(migration, stop_after)?;
        if run.applied.failure.is_some() || stopped {
            break;
        }
    }
    if run.applied.failure.is_none() && !stopped && run.by_runner {
        run.commit()?;
    }
    if run.is_open() {
        run.roll_back()?;
    }
    Ok(run.applied)
}

/// A connection that tells when its transactions end. A closing connection of SQLite's frees what its hooks hold before it rolls
/// back what is still open, and calls them once more for that: so they are taken away first.
struct Telling(Connection);

impl Deref for Telling {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Telling {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        // Only a lack of memory keeps SQLite from it.
        let _ = self.0.rollback_hook(None::<fn()>);
        let _ = self.0.commit_hook(None::<fn() -> bool>);
    }
}

/// A connection as the runner opens it.
fn connect(
    target: &Target,
    migration: &Migration,
    stop: &Stop,
    watch: &mut dyn Watch,
) -> Result<(Telling, Ends), ServerError> {
    let (asking, ends) = (Asking::default(), Ends::default());
    let purpose = Purpose::Migration { foreign_keys: target.foreign_keys.unwrap_or(false) };
    let mut connection = Telling(open_noting(&target.path, purpose, stop, Some(asking.clone()))?);
    let (commits, began) = (Arc::clone(&ends.commits), Arc::clone(&ends.began));
    let mut journal = target.path.clone().into_os_string();
    journal.push("-journal");
    connection.commit_hook(Some(move || {
        let bytes = std::fs::metadata(&journal).map_or(0, |journal| journal.len());
        *began.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), bytes));
        commits.fetch_add(1, Ordering::Relaxed);
        false
    }))?;
    let rollbacks = Arc::clone(&ends.rollbacks);
    connection.rollback_hook(Some(move || {
        rollbacks.fetch_add(1, Ordering::Relaxed);
    }))?;
    set_up(&connection, migration, target.foreign_keys)?;
    watch.connected(&mut connection, &asking)?;
    Ok((connection, ends))
}

/// What the driver and the tool's configuration set.
fn set_up(connection: &Connection, migration: &Migration, foreign_keys: Option<bool>) -> Result<(), ServerError> {
    let session = migration.session.iter().map(String::as_str);
    for setting in std::iter::once(migration.connection.settings).chain(session).filter(|text| !text.is_empty()) {
        connection.execute_batch(setting)?;
    }
    if let Some(foreign_keys) = foreign_keys {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, foreign_keys)?;
    }
    Ok(())
}

struct Run<'watch> {
    connection: Telling,
    foreign_keys: Option<bool>,
    ends: Ends,
    watch: &'watch mut dyn Watch,
    applied: Applied,
    /// The transaction that is open is the runner's, and the runner will end it.
    by_runner: bool,
    /// Statements that ran in the open transaction.
    open: Vec<usize>,
    /// Migrations that ran as a whole in it.
    whole: usize,
}

impl Run<'_> {
    fn is_open(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// Runs one migration; `true` when `stop_after` was reached.
    fn migration(&mut self, migration: &Migration, stop_after: Option<usize>) -> Result<bool, ServerError> {
        let together = migration.transaction == TransactionMode::AllPending;
        if self.by_runner && !together {
            self.commit()?;
            if self.applied.failure.is_some() {
                return Ok(false);
            }
        }
        let last = migration.statements.last().map_or(0, |statement| statement.index);
        let history = migration.history.as_ref();
        let begun = history.map_or(&[][..], |history| &history.begun);
        if !together {
            self.note_down(begun, last)?;
        }
        let grouped = together || migration.transaction == TransactionMode::PerMigration;
        if grouped && !self.is_open() && self.applied.failure.is_none() {
            self.connection.execute_batch("BEGIN")?;
            self.by_runner = true;
        }
        if together {
            self.note_down(begun, last)?;
        }
        if self.applied.failure.is_some() {
            return Ok(false);
        }
        for statement in &migration.statements {
            self.statement(statement)?;
            if self.applied.failure.is_some() {
                return Ok(false);
            }
            if stop_after == Some(statement.index) {
                return Ok(true);
            }
        }
        if self.is_open() && grouped {
            // A script that commits and begins anew: what it leaves open, the runner's own COMMIT ends.
            self.by_runner = true;
        }
        if self.is_open() && !grouped {
            let message = "the script ends inside the transaction it opened; closing the connection rolls it back";
            let error =
                ServerError { sqlstate: "25P01".to_owned(), message: message.to_owned(), ..ServerError::default() };
            self.fail(last, error)?;
            return Ok(false);
        }
        if !migration.connection.reset.is_empty() {
            self.connection.execute_batch(migration.connection.reset)?;
            set_up(&self.connection, migration, self.foreign_keys)?;
        }
        if let Some(history) = history.filter(|history| history.in_transaction || together) {
            self.note_down(&history.applied, last)?;
        }
        if self.applied.failure.is_none() && self.by_runner && !together {
            self.commit()?;
        }
        if let Some(history) = history.filter(|history| !history.in_transaction && !together) {
            self.note_down(&history.applied, last)?;
        }
        if let Some(history) = history {
            self.note_down(&history.finished, last)?;
        }
        if self.applied.failure.is_none() {
            if self.is_open() { self.whole += 1 } else { self.applied.migrations += 1 }
        }
        Ok(false)
    }

    /// Sends what the runner writes to its history; a refusal is the migration's failure.
    fn note_down(&mut self, writes: &[String], last: usize) -> Result<(), ServerError> {
        for sql in writes {
            if self.applied.failure.is_some() {
                break;
            }
            match self.connection.execute_batch(sql).map_err(ServerError::from) {
                Ok(()) => {}
                Err(error) if is_lost(&error) => return Err(error),
                Err(error) => self.fail(last, error)?,
            }
        }
        Ok(())
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), ServerError> {
        self.watch.before(&self.connection, statement)?;
        let in_transaction = self.is_open();
        let (commits, rollbacks) = (self.ends.commits(), self.ends.rollbacks());
        let started = Instant::now();
        let sent = send(&self.connection, statement.sql());
        let duration = started.elapsed();
        // Before anybody looks on: that takes time, too.
        let ended = self.ends.ended(self.ends.commits() > commits);
        let committed = self.ends.rollbacks() == rollbacks;
        let (result, writes, vm_steps) = match sent {
            Ok((rows, writes, steps)) => (Ok(rows), writes, steps),
            Err(error) if is_lost(&error) => return Err(error),
            Err(error) => (Err(error), true, 0),
        };
        let ran = Ran { result: &result, started, duration, in_transaction, writes, vm_steps };
        self.watch.after(&self.connection, statement, &ran)?;
        match result {
            Ok(_) if self.is_open() => self.open.push(statement.index),
            Ok(_) => {
                self.open.push(statement.index);
                self.by_runner = false;
                self.end(Ended { committed, ..ended })?;
            }
            Err(error) => {
                if self.is_open() {
                    self.open.push(statement.index);
                }
                self.fail(statement.index, error)?;
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), ServerError> {
        self.by_runner = false;
        if !self.is_open() {
            // The script has ended the runner's transaction itself.
            return Ok(());
        }
        let commits = self.ends.commits();
        match self.connection.execute_batch("COMMIT").map_err(ServerError::from) {
            Ok(()) => self.end(self.ends.ended(self.ends.commits() > commits)),
            Err(error) if is_lost(&error) => Err(error),
            // Deferred foreign keys speak up here.
            Err(error) => {
                let last = self.open.last().copied().unwrap_or_default();
                self.fail(last, error)
            }
        }
    }

    fn end(&mut self, ended: Ended) -> Result<(), ServerError> {
        let (statements, whole) = (std::mem::take(&mut self.open), std::mem::take(&mut self.whole));
        if ended.committed {
            self.applied.commits.extend(statements.last());
            self.applied.committed.extend(statements);
            self.applied.migrations += whole;
        }
        self.watch.transaction_ended(&self.connection, ended)
    }

    fn roll_back(&mut self) -> Result<(), ServerError> {
        self.by_runner = false;
        self.connection.execute_batch("ROLLBACK")?;
        self.end(Ended::default())
    }

    fn fail(&mut self, statement: usize, error: ServerError) -> Result<(), ServerError> {
        self.applied.failure = Some(Failure { statement, error });
        // Some refusals have rolled back already.
        if self.is_open() { self.roll_back() } else { self.end(Ended::default()) }
    }
}

/// Runs one statement to its end: the rows it changed, or gave where it only reads; whether it may write; its instructions.
fn send(connection: &Connection, sql: &str) -> Result<(u64, bool, u64), ServerError> {
    let before = connection.total_changes();
    let mut statement = connection.prepare(sql)?;
    let writes = !statement.readonly();
    let mut given = 0;
    {
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {
            given += 1;
        }
    }
    // An unsigned counter in 32 bits, which the crate tells as signed.
    let steps = u64::from(statement.get_status(StatementStatus::VmStep) as u32);
    drop(statement);
    let rows = match writes {
        false => given,
        // What statements without rows leave in `changes` is the last one's.
        true if connection.total_changes() == before => 0,
        true => connection.changes(),
    };
    Ok((rows, writes, steps))
}

/// Whether nobody refused anything: the copy is damaged, its disk full, or the run was ended.
fn is_lost(error: &ServerError) -> bool {
    error.is_outage() || error.result_code == Some("SQLITE_INTERRUPT")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::migration::SourceFile;

    /// Breaks off after the first statement.
    struct BreaksOff;

    impl Watch for BreaksOff {
        fn after(&mut self, _: &Connection, _: &Statement, _: &Ran<'_>) -> Result<(), ServerError> {
            Err(ServerError { message: "enough".to_owned(), ..ServerError::default() })
        }
    }

    #[test]
    fn a_run_that_breaks_off_in_a_transaction_lets_go_of_nothing_that_is_called_yet() {
        let folder = tempfile::tempdir().unwrap();
        let target = Target { path: folder.path().join("app.db"), foreign_keys: None };
        std::fs::write(&target.path, "").unwrap();
        let text = "CREATE TABLE a (x int); CREATE TABLE b (y int)".to_owned();
        let statements = ["CREATE TABLE a (x int)", "CREATE TABLE b (y int)"].map(|sql| {
            let begin = text.find(sql).unwrap();
            begin..begin + sql.len()
        });
        let file = Arc::new(SourceFile { path: "1.sql".into(), name: "1.sql".to_owned(), text: text.clone() });
        let statements = statements.into_iter().enumerate();
        let migration = Migration {
            version: "1".to_owned(),
            name: String::new(),
            layout: "plain",
            transaction: TransactionMode::PerMigration,
            connection: Default::default(),
            session: Vec::new(),
            statements: statements
                .map(|(at, span)| Statement { index: at + 1, file: Arc::clone(&file), span, rendered: None })
                .collect(),
            down: None,
            history: None,
        };
        for _ in 0..20 {
            let ended = apply(&target, std::slice::from_ref(&migration), None, &Stop::default(), &mut BreaksOff);
            assert_eq!(ended.unwrap_err().message, "enough");
            // What was freed too early is used by somebody else by now.
            let others: Vec<Box<u64>> = (0..1000).map(|_| Box::new(u64::MAX / 3)).collect();
            assert!(others.iter().all(|each| **each == u64::MAX / 3));
        }
        let tables = Connection::open(&target.path).unwrap();
        let tables: i64 = tables.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        assert_eq!(tables, 0, "it was rolled back");
    }
}
