//! Runs hot queries again and again on connections of their own while a migration is applied, as an application would.
//!
//! Each query has a thread and a connection, and is due at a steady rate whether or not the call before came back. Whoever
//! meets a lock tries again after SQLite's own pauses until an application's busy timeout is over: every try is seen, which
//! is what tells a wait from a slow query. Writes are rolled back; where no hot query writes, the write lock is taken and
//! given back.

mod caller;

use super::connection::Stop;
use crate::engine::ServerError;
use crate::observation::Observation;
use crate::observation::traffic::{Lane, Span, Traffic, felt, step_of};
use crate::report::human;
use crate::workload::HotQuery;
use caller::{Caller, Opened};
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Queries that are called at the most, those of the greatest weight.
const CALLED: usize = 16;
/// How long the calls before the migration, and those after it, may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Whoever waits looks up so often to see whether all is to end.
const LOOK: Duration = Duration::from_millis(100);

/// How queries are called.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long an application waits for a lock before it is refused (`PRAGMA busy_timeout`).
    pub busy: Duration,
    /// Longest call.
    pub timeout: Duration,
    /// Time between two calls of one query.
    pub period: Duration,
    /// Calls of each query before the migration begins: what it is used to.
    pub baseline: usize,
    /// Hot queries that write are called as well.
    pub writes: bool,
    /// `PRAGMA foreign_keys` of the application.
    pub foreign_keys: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            busy: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            period: Duration::from_millis(50),
            baseline: 40,
            writes: false,
            foreign_keys: false,
        }
    }
}

/// What the migration does, as it does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A statement is sent: [`crate::migration::Statement::index`].
    Sent(usize),
    /// It was answered.
    Answered {
        /// It stands in a transaction, which is still open.
        in_transaction: bool,
    },
    /// A transaction is over, and with it its locks.
    TransactionEnded,
}

/// What was seen.
#[derive(Debug)]
pub struct Seen {
    /// The calls of each query; the last lane writes.
    pub lanes: Vec<Lane>,
    /// When each statement of the migration ran.
    pub spans: Vec<Span>,
    /// When the first one was sent, in milliseconds since the calls began.
    pub began_ms: f64,
    /// When the migration was over.
    pub ended_ms: f64,
    /// Queries that could not be called, and why.
    pub left_out: Vec<(String, String)>,
    /// The file's journal mode, in which all this was seen: `wal`, `delete`. In the other one it is otherwise.
    pub journal_mode: String,
}

impl Seen {
    /// What each query felt. `failure`: what ended the migration here, though it ran to its end alone.
    pub fn felt(self, stall_ms: f64, observations: &[Observation], failure: Option<(usize, ServerError)>) -> Traffic {
        let last = self.lanes.iter().filter_map(|lane| lane.calls.last()).map(|call| call.answered_ms);
        let step_ms = step_of(last.fold(self.ended_ms, f64::max));
        let (mut all, mut left_out) = (Vec::new(), self.left_out);
        for lane in &self.lanes {
            match felt(lane, (self.began_ms, step_ms, stall_ms), &self.spans, observations) {
                Some(felt) => all.push(felt),
                None => {
                    let calls = human::plural(lane.calls.len(), "time");
                    left_out.push((lane.query.clone(), format!("it was called {calls} in all, too rarely to compare")));
                }
            }
        }
        let (began_ms, ended_ms) = (self.began_ms, self.ended_ms);
        Traffic { began_ms, ended_ms, step_ms, felt: all, left_out, failure, queued: Vec::new() }
    }

    /// What the journal mode has to do with it, for people.
    pub fn about_the_journal(&self) -> String {
        if self.journal_mode == "wal" {
            "in WAL mode: readers go on beside whoever writes, and a second writer waits; with a rollback journal readers would \
             wait while a transaction is written to the file"
                .to_owned()
        } else {
            format!(
                "in journal mode {}: readers wait while a transaction is written to the file, and a second writer waits; in WAL \
                 mode readers would go on",
                self.journal_mode
            )
        }
    }
}

/// Milliseconds since the calls began.
#[derive(Debug, Clone, Copy)]
struct Clock(Instant);

impl Clock {
    fn now(self) -> f64 {
        self.0.elapsed().as_secs_f64() * 1e3
    }

    fn until(self, ms: f64) -> Duration {
        Duration::from_secs_f64((ms - self.now()).max(0.0) / 1e3)
    }
}

/// How far one lane is.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    calls: usize,
    /// When the last call that was answered had been due.
    due_ms: f64,
    /// It makes no calls any more.
    gone: bool,
}

/// What all threads share.
#[derive(Debug, Default)]
struct Road {
    state: Mutex<(bool, Vec<Progress>)>,
    changed: Condvar,
}

impl Road {
    fn lock(&self) -> MutexGuard<'_, (bool, Vec<Progress>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a moment; `false` where all is over before.
    fn pause(&self, pause: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), pause, |(over, _)| !*over);
        !waited.unwrap_or_else(PoisonError::into_inner).0.0
    }

    fn answered(&self, lane: usize, due_ms: f64, gone: bool) {
        if let Some(progress) = self.lock().1.get_mut(lane) {
            *progress = Progress { calls: progress.calls + 1, due_ms, gone };
        }
        self.changed.notify_all();
    }

    /// Waits until every lane is as far as `enough` asks for, or patience is over.
    fn wait_for(&self, stop: &Stop, enough: impl Fn(&Progress) -> bool) {
        let until = Instant::now() + PATIENCE;
        let mut state = self.lock();
        while Instant::now() < until && !stop.is_due() && state.1.iter().any(|lane| !lane.gone && !enough(lane)) {
            state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Whatever becomes of the migration, the calls come to their end.
struct EndOnDrop<'a>(&'a Road);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.lock().0 = true;
        self.0.changed.notify_all();
    }
}

/// Runs `migrate` on this thread, beside calls of `queries` on others. It is given the database, what ends it, and whom to
/// tell what it does; what it returns is returned.
///
/// # Errors
/// The database cannot be opened; whatever `migrate` says; all was ended from outside.
pub fn beside<T>(
    path: &Path,
    queries: &[&HotQuery],
    options: &Options,
    stop: &Stop,
    migrate: impl FnOnce(&Path, &Stop, &mut dyn FnMut(Event)) -> Result<T, ServerError>,
) -> Result<(Seen, T), ServerError> {
    let (callers, left_out, journal_mode) = open(path, queries, options, stop)?;
    let road = Road { state: Mutex::new((false, vec![Progress::default(); callers.len()])), changed: Condvar::new() };
    let clock = Clock(Instant::now());
    let (lanes, migrated) = std::thread::scope(|scope| {
        let count = callers.len();
        let threads: Vec<_> = callers
            .into_iter()
            .enumerate()
            .map(|(lane, caller)| {
                // Not all at once.
                let first = options.period.as_secs_f64() * 1e3 * lane as f64 / count as f64;
                let road = &road;
                scope.spawn(move || caller.call_again(road, lane, clock, first))
            })
            .collect();
        let end = EndOnDrop(&road);
        road.wait_for(stop, |lane| lane.calls >= options.baseline);
        let began_ms = clock.now();
        let mut spans: Vec<Span> = Vec::new();
        let migrated = migrate(path, stop, &mut |event| note(&mut spans, event, clock.now()));
        let ended_ms = clock.now();
        for span in &mut spans {
            span.answered_ms = span.answered_ms.min(ended_ms);
            span.ended_ms = span.ended_ms.min(ended_ms);
        }
        road.wait_for(stop, |lane| lane.due_ms > ended_ms);
        drop(end);
        let lanes: Result<Vec<Lane>, _> = threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        (lanes, migrated.map(|migrated| (migrated, spans, began_ms, ended_ms)))
    });
    let (migrated, spans, began_ms, ended_ms) = migrated?;
    let lanes = lanes.map_err(|_| ServerError {
        sqlstate: "XX000".to_owned(),
        message: "a thread that called a hot query broke off".to_owned(),
        ..ServerError::default()
    })?;
    Ok((Seen { lanes, spans, began_ms, ended_ms, left_out, journal_mode }, migrated))
}

fn note(spans: &mut Vec<Span>, event: Event, now: f64) {
    match event {
        Event::Sent(statement) => {
            spans.push(Span { statement, sent_ms: now, answered_ms: f64::INFINITY, ended_ms: f64::INFINITY });
        }
        Event::Answered { in_transaction } => {
            if let Some(span) = spans.last_mut() {
                span.answered_ms = now;
                // In a transaction its locks stay beyond the answer, until that is over.
                span.ended_ms = if in_transaction { f64::INFINITY } else { now };
            }
        }
        Event::TransactionEnded => {
            for span in spans.iter_mut().filter(|span| span.ended_ms.is_infinite()) {
                span.ended_ms = now;
            }
        }
    }
}

type Called = (Vec<Caller>, Vec<(String, String)>, String);

/// Opens a connection for each query that can be called, and one that writes where none of these does.
fn open(path: &Path, queries: &[&HotQuery], options: &Options, stop: &Stop) -> Result<Called, ServerError> {
    let mut queries = queries.to_vec();
    queries.sort_by(|left, right| right.weight.total_cmp(&left.weight));
    let rest = queries.split_off(CALLED.min(queries.len()));
    let why = format!("only the {CALLED} of the greatest weight are called");
    let mut left_out: Vec<(String, String)> = rest.iter().map(|query| (query.name.clone(), why.clone())).collect();
    let (mut callers, mut writers) = (Vec::new(), Vec::new());
    for query in queries {
        match Caller::open(path, query, options, stop)? {
            Opened::Ready(caller) if caller.writes => writers.push(caller),
            Opened::Ready(caller) => callers.push(caller),
            Opened::LeftOut(why) => left_out.push((query.name.clone(), why)),
        }
    }
    if writers.is_empty() {
        writers.push(Caller::of_the_lock(path, options, stop)?);
    }
    callers.extend(writers);
    let journal_mode = callers.first().map(Caller::journal_mode).transpose()?.unwrap_or_default();
    Ok((callers, left_out, journal_mode))
}

#[cfg(test)]
mod tests;
