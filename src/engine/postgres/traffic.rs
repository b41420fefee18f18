//! Runs hot queries again and again from other sessions while a migration is applied, as an application would.
//!
//! Calls are due at a steady rate, whether or not the one before has come back: what a stalled application feels is
//! counted from when a call was due. One session for each query is enough for that. Who waits for which lock is asked
//! by a session of its own, and only while somebody is late.

mod caller;
mod holder;

pub use caller::{Caller, Opened};
pub use holder::Holder;

use super::apply::{Failure, Moment, Ran, Target, Watch, apply};
use super::probe::number;
use super::session::Session;
use crate::engine::ServerError;
use crate::migration::Migration;
use crate::observation::lock::LockMode;
use crate::observation::traffic::{Call, Lane, Queued, Span, Wait};
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::{interval, sleep, sleep_until};

/// Calls a second all queries make together, at the most: an idle copy is no production server.
const CALLS: f64 = 200.0;
/// Shortest time between two calls of one query.
const PERIOD: Duration = Duration::from_millis(50);
/// A query is not called again before so many times its own duration has passed: it is not what keeps the copy busy.
const IDLE: u32 = 5;
/// Calls of the most frequent queries before the migration begins, and how long that may take.
const BASELINE_CALLS: u32 = 40;
const BASELINE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));
/// How long calls go on after the migration.
const RECOVERY: Duration = Duration::from_secs(1);
/// A call that is late by more is asked about; how often.
const LATE_MS: f64 = 30.0;
const LOOK: Duration = Duration::from_millis(20);

/// Sessions that wait for a lock: who, for which relation, in which mode, and behind whom.
const WAITING: &str = "
SELECT l.pid, l.relation, l.mode, pg_catalog.array_to_string(pg_catalog.pg_blocking_pids(l.pid), ' ')
FROM pg_catalog.pg_locks l WHERE NOT l.granted";

/// What was seen.
#[derive(Debug)]
pub struct Seen {
    /// The calls of each query, in the order of the callers.
    pub lanes: Vec<Lane>,
    /// When each statement of the migration ran.
    pub spans: Vec<Span>,
    /// When the first one was sent, in milliseconds since the calls began.
    pub began_ms: f64,
    /// When the migration was over.
    pub ended_ms: f64,
    /// What ended it before its end.
    pub failure: Option<Failure>,
    /// How long it waited behind the transactions that were open.
    pub queued: Vec<Queued>,
}

/// Milliseconds since the calls began.
#[derive(Debug, Clone, Copy)]
struct Clock(Instant);

impl Clock {
    fn now(self) -> f64 {
        self.of(Instant::now())
    }

    fn of(self, instant: Instant) -> f64 {
        instant.saturating_duration_since(self.0).as_secs_f64() * 1e3
    }

    fn at(self, ms: f64) -> tokio::time::Instant {
        (self.0 + Duration::from_secs_f64(ms / 1e3)).into()
    }
}

/// Time between two calls of one query when there are so many.
pub fn period(queries: usize) -> Duration {
    PERIOD.max(Duration::from_secs_f64(queries as f64 / CALLS))
}

/// How long calls run without the migration, before and after it.
pub fn alone(queries: usize) -> Duration {
    baseline(queries) + RECOVERY
}

fn baseline(queries: usize) -> Duration {
    (period(queries) * BASELINE_CALLS).clamp(BASELINE.0, BASELINE.1)
}

/// Applies `migrations` beside the calls. `looking` is a superuser's session. The transactions of `holders` end on their
/// own once the migration has waited behind them for long enough.
///
/// # Errors
/// A connection of the tool's own that breaks. What the server refuses to the migration is [`Seen::failure`], what it
/// refuses to a query is in its calls.
pub async fn beside(
    target: &Target,
    migrations: &[Migration],
    callers: Vec<Caller>,
    looking: Session,
    holders: Vec<Holder>,
) -> Result<Seen, ServerError> {
    let clock = Clock(Instant::now());
    let period = period(callers.len());
    let mut lanes: Vec<OnTheRoad> = Vec::new();
    for (at, caller) in callers.iter().enumerate() {
        let first = period.as_secs_f64() * 1e3 * at as f64 / callers.len() as f64;
        lanes.push(OnTheRoad { pid: caller.pid(), due: Cell::new(first), waits: RefCell::default() });
    }
    let (over, listen) = watch::channel(false);
    let migrating = Cell::new(false);
    let calls = futures_util::future::join_all(
        callers.into_iter().zip(&lanes).map(|(caller, road)| call_again(caller, road, clock, period, listen.clone())),
    );
    let migration = async {
        sleep(baseline(lanes.len())).await;
        migrating.set(true);
        let began_ms = clock.now();
        let mut timeline = Timeline { clock, spans: Vec::new() };
        let applied = apply(target, migrations, None, &mut timeline).await;
        let ended_ms = clock.now();
        migrating.set(false);
        recover(clock, &lanes, ended_ms).await;
        // Nobody listens any more where all have broken off.
        let _ = over.send(true);
        applied.map(|applied| (applied, timeline.spans, began_ms, ended_ms))
    };
    let look = look_on(looking, &lanes, holders, clock, &migrating, listen.clone());
    let (lanes_called, migrated, looked) = tokio::join!(calls, migration, look);
    let (applied, spans, began_ms, ended_ms) = migrated?;
    let queued = looked?;
    let lanes = lanes_called
        .into_iter()
        .zip(lanes)
        .map(|((query, calls), road)| Lane { query, calls, waits: road.waits.into_inner() })
        .collect();
    Ok(Seen { lanes, spans, began_ms, ended_ms, failure: applied.failure, queued })
}

/// A query's session, as the others see it.
struct OnTheRoad {
    pid: i32,
    /// When the call is due that was not answered yet.
    due: Cell<f64>,
    waits: RefCell<Vec<Wait>>,
}

impl OnTheRoad {
    fn is_late(&self, clock: Clock) -> bool {
        clock.now() - self.due.get() > LATE_MS
    }
}

/// Calls one query until it is over.
async fn call_again(
    mut caller: Caller,
    road: &OnTheRoad,
    clock: Clock,
    period: Duration,
    mut over: watch::Receiver<bool>,
) -> (String, Vec<Call>) {
    let step = period.max(caller.usual * IDLE).as_secs_f64() * 1e3;
    let mut calls = Vec::new();
    loop {
        let due_ms = road.due.get();
        tokio::select! {
            () = sleep_until(clock.at(due_ms)) => {}
            _ = over.wait_for(|over| *over) => break,
        }
        let answer = caller.call(calls.len()).await;
        let lost = answer.as_ref().is_err_and(|error| error.sqlstate.is_empty());
        let refused = answer.err().map(|error| if lost { LOST.to_owned() } else { error.sqlstate });
        calls.push(Call { due_ms, answered_ms: clock.now(), refused });
        road.due.set(due_ms + step);
        if lost {
            road.due.set(f64::INFINITY);
            break;
        }
    }
    (caller.close().await, calls)
}

/// `connection_failure`: what a client makes of a session that somebody ended.
const LOST: &str = "08006";

/// Waits until the calls are as they were: for a while, and until none is late.
async fn recover(clock: Clock, lanes: &[OnTheRoad], ended_ms: f64) {
    let mut ticks = interval(LOOK);
    let least = ended_ms + RECOVERY.as_secs_f64() * 1e3;
    // What is late for good is so without the migration.
    let most = ended_ms + BASELINE.1.as_secs_f64() * 1e3;
    loop {
        ticks.tick().await;
        let now = clock.now();
        if now > most || (now > least && !lanes.iter().any(|lane| lane.is_late(clock))) {
            return;
        }
    }
}

/// Asks who waits for whom while somebody is late or a transaction stands in the way, and ends these transactions.
async fn look_on(
    mut looking: Session,
    lanes: &[OnTheRoad],
    mut holders: Vec<Holder>,
    clock: Clock,
    migrating: &Cell<bool>,
    mut over: watch::Receiver<bool>,
) -> Result<Vec<Queued>, ServerError> {
    let mut ticks = interval(LOOK);
    let mut began = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = over.wait_for(|over| *over) => break,
        }
        began |= migrating.get();
        if began && !migrating.get() {
            for holder in &mut holders {
                holder.end(clock.now()).await?;
            }
        }
        let held = migrating.get() && holders.iter().any(Holder::is_open);
        if !held && !lanes.iter().any(|lane| lane.is_late(clock)) {
            continue;
        }
        let at_ms = clock.now();
        for row in looking.query(WAITING).await?.rows {
            let Some(pid) = number::<i32>(&row, 0) else { continue };
            match lanes.iter().find(|lane| lane.pid == pid) {
                Some(lane) => lane.waits.borrow_mut().push(Wait {
                    at_ms,
                    relation: number(&row, 1),
                    mode: row[2].as_deref().filter(|_| row[1].is_some()).and_then(LockMode::from_pg_locks),
                }),
                None => {
                    let behind = row[3].as_deref().unwrap_or_default();
                    for holder in &mut holders {
                        holder.seen_in_the_way(behind, at_ms);
                    }
                }
            }
        }
        for holder in &mut holders {
            holder.end_if_long_enough(clock.now()).await?;
        }
    }
    looking.close().await;
    let mut queued = Vec::new();
    for holder in holders {
        queued.push(holder.close(clock.now()).await?);
    }
    Ok(queued)
}

/// Notes when each statement ran, and does nothing else.
struct Timeline {
    clock: Clock,
    spans: Vec<Span>,
}

impl Watch for Timeline {
    const WRAPS: bool = false;

    async fn before(&mut self, _: &mut Session, _: Moment<'_>) -> Result<(), ServerError> {
        Ok(())
    }

    async fn after(&mut self, _: &mut Session, at: Moment<'_>, ran: Ran<'_>) -> Result<(), ServerError> {
        let sent_ms = self.clock.of(ran.started);
        let answered_ms = sent_ms + ran.duration.as_secs_f64() * 1e3;
        // In a transaction its locks stay beyond the answer, until that is over.
        let ended_ms = if at.in_transaction { f64::INFINITY } else { answered_ms };
        self.spans.push(Span { statement: at.statement.index, sent_ms, answered_ms, ended_ms });
        Ok(())
    }

    async fn transaction_ended(&mut self, _: &mut Session, _: bool) -> Result<(), ServerError> {
        let now = self.clock.now();
        for span in self.spans.iter_mut().filter(|span| span.ended_ms.is_infinite()) {
            span.ended_ms = now;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_queries_there_are_the_rarer_each_is_called() {
        assert_eq!(period(0), PERIOD);
        assert_eq!(period(10), PERIOD);
        assert_eq!(period(200), Duration::from_secs(1));
        assert_eq!(alone(1), Duration::from_secs(3));
        assert_eq!(alone(500), Duration::from_secs(11));
    }
}
