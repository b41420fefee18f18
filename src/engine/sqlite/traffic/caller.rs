//! A hot query on a connection of its own, ready to be called again and again.

use super::super::connection::{self, Purpose, Stop};
use super::super::explain::{bind, evaluate, plannable};
use super::{Clock, Options, Road};
use crate::engine::ServerError;
use crate::observation::traffic::{Call, Lane, Wait};
use crate::report::human;
use crate::workload::HotQuery;
use rusqlite::Connection;
use rusqlite::types::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// Calls before the first one that counts: they warm caches, and the quickest is what the query takes.
const WARM: usize = 3;
/// A query is not called again before so many times its own duration has passed: it is not what keeps the copy busy.
const IDLE: u32 = 5;
/// Pauses before each further try for a lock, in milliseconds; the last one again and again. They are those of SQLite's own
/// busy handler.
const PAUSES: [u64; 12] = [1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100];
/// What the writer of no hot query is called.
const LOCK: &str = "a write (BEGIN IMMEDIATE)";

/// A query, ready to be called.
pub(super) struct Caller {
    name: String,
    connection: Connection,
    stop: Stop,
    /// `None`: the write lock is taken, and given back.
    sql: Option<String>,
    /// Each set of values, in turns.
    sets: Vec<Vec<Value>>,
    /// Its calls take the write lock, and are rolled back.
    pub(super) writes: bool,
    usual: Duration,
    options: Options,
}

/// A caller, or why there is none.
pub(super) enum Opened {
    /// It ran.
    Ready(Caller),
    /// For people, without values of user data.
    LeftOut(String),
}

impl Caller {
    /// Opens a connection, and tries the query out.
    ///
    /// # Errors
    /// The database cannot be opened, or all was ended from outside; what SQLite says to the query is
    /// [`Opened::LeftOut`].
    pub(super) fn open(path: &Path, query: &HotQuery, options: &Options, stop: &Stop) -> Result<Opened, ServerError> {
        let mut caller = Self::connect(path, &query.name, options, stop)?;
        match caller.try_out(query) {
            Ok(None) => Ok(Opened::Ready(caller)),
            Ok(Some(why)) => Ok(Opened::LeftOut(why)),
            Err(error) if stop.is_due() => Err(error),
            Err(error) => Ok(Opened::LeftOut(error.without_values())),
        }
    }

    /// One that takes the write lock, and gives it back.
    ///
    /// # Errors
    /// The database cannot be opened.
    pub(super) fn of_the_lock(path: &Path, options: &Options, stop: &Stop) -> Result<Self, ServerError> {
        Ok(Self { writes: true, usual: Duration::ZERO, ..Self::connect(path, LOCK, options, stop)? })
    }

    fn connect(path: &Path, name: &str, options: &Options, stop: &Stop) -> Result<Self, ServerError> {
        let stop = stop.beside();
        let purpose = Purpose::Migration { foreign_keys: options.foreign_keys };
        let connection = connection::open(path, purpose, &stop)?;
        // Every try is to be seen.
        connection.busy_timeout(Duration::ZERO)?;
        let (sql, sets, usual) = (None, vec![Vec::new()], Duration::MAX);
        Ok(Self { name: name.to_owned(), connection, stop, sql, sets, writes: false, usual, options: *options })
    }

    /// The file's journal mode.
    ///
    /// # Errors
    /// What SQLite says.
    pub(super) fn journal_mode(&self) -> Result<String, ServerError> {
        Ok(self.connection.query_row("PRAGMA main.journal_mode", [], |row| row.get(0))?)
    }

    /// Why it cannot be called, if it cannot.
    fn try_out(&mut self, query: &HotQuery) -> Result<Option<String>, ServerError> {
        plannable(&query.sql)?;
        self.writes = !self.connection.prepare(&query.sql)?.readonly();
        if self.writes && !self.options.writes {
            return Ok(Some("it writes; --measure-writes lets it".to_owned()));
        }
        if !query.parameters.is_empty() {
            let sets = query.sets.iter().map(|set| evaluate(&self.connection, &set.values));
            self.sets = sets.collect::<Result<_, _>>()?;
        }
        if self.sets.is_empty() {
            return Ok(Some("no values are registered for its parameters".to_owned()));
        }
        self.sql = Some(query.sql.clone());
        for turn in 0..WARM.max(self.sets.len()) {
            let started = Instant::now();
            match self.attempt(turn) {
                Err(error) if error.sqlstate == "57014" && !self.stop.is_due() => {
                    let limit = human::duration(self.options.timeout.as_secs_f64() * 1e3);
                    return Ok(Some(format!("it takes longer than {limit} by itself")));
                }
                other => other?,
            }
            self.usual = self.usual.min(started.elapsed());
        }
        Ok(None)
    }

    /// Calls it until all is over.
    pub(super) fn call_again(self, road: &Road, lane: usize, clock: Clock, first_ms: f64) -> Lane {
        let step = self.options.period.max(self.usual.saturating_mul(IDLE)).as_secs_f64() * 1e3;
        let mut told = Lane { query: self.name.clone(), ..Lane::default() };
        let mut due_ms = first_ms;
        while road.pause(clock.until(due_ms)) {
            let answer = self.patiently(told.calls.len(), road, clock, &mut told.waits);
            let gone = self.stop.is_due();
            if !gone {
                let refused = answer.err().map(|error| error.result_code.map_or(error.sqlstate, str::to_owned));
                told.calls.push(Call { due_ms, answered_ms: clock.now(), refused });
            }
            road.answered(lane, due_ms, gone);
            if gone {
                break;
            }
            due_ms += step;
        }
        told
    }

    /// One call, tried again while others hold the lock it needs, for as long as an application would.
    fn patiently(&self, turn: usize, road: &Road, clock: Clock, waits: &mut Vec<Wait>) -> Result<(), ServerError> {
        let began = Instant::now();
        let mut pauses = PAUSES.iter().chain(std::iter::repeat(&PAUSES[PAUSES.len() - 1]));
        loop {
            let answer = self.attempt(turn);
            let busy = answer.as_ref().is_err_and(|error| error.sqlstate == "55P03");
            if !busy {
                return answer;
            }
            waits.push(Wait { at_ms: clock.now(), relation: None, mode: None });
            let pause = Duration::from_millis(pauses.next().copied().unwrap_or_default());
            if began.elapsed() + pause > self.options.busy || !road.pause(pause) {
                return answer;
            }
        }
    }

    fn attempt(&self, turn: usize) -> Result<(), ServerError> {
        if !self.writes {
            return self.run(turn);
        }
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let ran = self.run(turn);
        // What is cut off while it writes takes its transaction back by itself.
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        ran
    }

    fn run(&self, turn: usize) -> Result<(), ServerError> {
        let Some(sql) = &self.sql else { return Ok(()) };
        let mut statement = self.connection.prepare(sql)?;
        bind(&mut statement, &self.sets[turn % self.sets.len()])?;
        let _limit = self.stop.limit(self.options.timeout);
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
        Ok(())
    }
}
