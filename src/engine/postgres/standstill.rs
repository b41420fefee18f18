//! Makes a backend stand still at each of its commits, locks still held, for as long as it takes to read them.
//!
//! Statements that cannot run in a transaction of ours (CONCURRENTLY, VACUUM, blocks of code and procedures) commit by
//! themselves, and on a small copy they are over before anybody looks. A server with `synchronous_standby_names` set
//! waits in every commit that wrote something for a standby that is not there; the commit is on disk by then, and its
//! locks are held until the wait is over. Cancelling that wait ends it with a warning and nothing else
//! (`SyncRepWaitForLSN` in `syncrep.c`). So the statement takes no lock it would not take alone, meets nobody who holds
//! one, and does not fail. A session that has turned `synchronous_commit` off does not wait, and is looked at by chance.

use super::session::Session;
use crate::engine::ServerError;
use std::time::{Duration, Instant};

/// Between two looks whether it stands still.
pub(super) const INTERVAL: Duration = Duration::from_millis(1);

/// After so many commits the rest go on unseen: procedures that commit in batches do the same each time.
const COMMITS: usize = 100;

/// How long all stops of one statement may take together, and how much of its `statement_timeout`.
const HELD_UP: Duration = Duration::from_millis(500);
const PART_OF_TIMEOUT: u64 = 100;

/// How long the server may take until it makes commits wait.
const READY: Duration = Duration::from_secs(5);

const BEGIN: &str = "ALTER SYSTEM SET synchronous_standby_names = 'seatrial_nobody'";
const END: &str = "ALTER SYSTEM RESET synchronous_standby_names";
/// Whoever waits when the setting goes is let go by the server itself.
const RELOAD: &str = "SELECT pg_catalog.pg_reload_conf()";

/// A transaction that writes to the WAL and changes nothing.
const COMMIT_SOMETHING: &str = "SELECT pg_catalog.pg_logical_emit_message(true, 'seatrial', '')";

/// What came of it for one statement.
#[derive(Debug, Clone, Default)]
pub(super) struct Standstill {
    /// Commits seen.
    pub(super) commits: usize,
    /// How long they were held up, together.
    pub(super) held_up: Duration,
    /// Later commits are not waited for any more.
    pub(super) given_up: bool,
    /// The transaction that was let go last: never twice, since the second time would end the statement.
    last: Option<u64>,
    limit: Duration,
}

impl Standstill {
    /// For a statement under this `statement_timeout`, in milliseconds; 0 is none.
    pub(super) fn within(statement_timeout_ms: u64) -> Self {
        let part = Duration::from_millis(statement_timeout_ms) / PART_OF_TIMEOUT as u32;
        let limit = if statement_timeout_ms == 0 { HELD_UP } else { part.min(HELD_UP) };
        Self { limit, ..Self::default() }
    }

    /// Whether this commit was not let go yet.
    pub(super) fn is_new(&self, transaction: u64) -> bool {
        self.last != Some(transaction)
    }

    /// Takes down that the backend stands still in the commit of `transaction`. `since`: when that was seen.
    pub(super) fn note(&mut self, transaction: u64, since: Instant) {
        self.last = Some(transaction);
        self.commits += 1;
        self.held_up += since.elapsed();
    }

    /// Lets the backend go on.
    ///
    /// # Errors
    /// What the server says.
    pub(super) async fn let_go(&self, session: &mut Session, pid: i32, transaction: u64) -> Result<(), ServerError> {
        if self.given_up {
            return end(session).await;
        }
        // Looked at and cancelled in one go: its time limit may have ended the wait.
        let cancel = format!(
            "SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity \
             WHERE pid = {pid} AND wait_event = 'SyncRep' AND backend_xid::text = '{transaction}'"
        );
        session.query(&cancel).await?;
        Ok(())
    }

    /// That was enough: this commit and all later ones go on when the server itself lets them.
    pub(super) fn give_up_in_time(&mut self) {
        self.given_up = self.commits >= COMMITS || self.held_up > self.limit;
    }
}

/// The transaction in whose commit the backend stands still, if it does.
///
/// # Errors
/// What the server says.
pub(super) async fn at_commit(session: &mut Session, pid: i32) -> Result<Option<u64>, ServerError> {
    let waiting = format!(
        "SELECT backend_xid FROM pg_catalog.pg_stat_activity \
         WHERE pid = {pid} AND wait_event = 'SyncRep' AND backend_xid IS NOT NULL"
    );
    Ok(session.query(&waiting).await?.scalar().and_then(|transaction| transaction.parse().ok()))
}

/// Commits stand still from now on. `false`: they do not, and nothing is left of the attempt. `watcher` lets go the
/// commits of `session`, with which this makes sure of it.
///
/// # Errors
/// What the server says.
pub(super) async fn begin(session: &mut Session, watcher: &super::sample::Sampler) -> Result<bool, ServerError> {
    session.execute(BEGIN).await?;
    session.query(RELOAD).await?;
    let started = Instant::now();
    watcher.watch(session.pid, "0/0", Some(Standstill { limit: READY, ..Standstill::default() })).await;
    // The setting counts once the checkpointer has read it, and nothing but a commit tells when that is.
    while started.elapsed() < READY {
        session.query(COMMIT_SOMETHING).await?;
        if watcher.commits().await > 0 {
            return Ok(true);
        }
    }
    end(session).await?;
    Ok(false)
}

/// Commits go on by themselves again, also those that stand still now.
///
/// # Errors
/// What the server says.
pub(super) async fn end(session: &mut Session) -> Result<(), ServerError> {
    session.execute(END).await?;
    session.query(RELOAD).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_held_up_for_a_hundredth_of_its_time_limit_at_most() {
        assert_eq!(Standstill::within(0).limit, HELD_UP);
        assert_eq!(Standstill::within(2_000).limit, Duration::from_millis(20));
        assert_eq!(Standstill::within(3_600_000).limit, HELD_UP);
    }

    #[test]
    fn no_commit_is_let_go_twice() {
        let mut standstill = Standstill::within(0);
        assert!(standstill.is_new(700));
        standstill.last = Some(700);
        assert!(!standstill.is_new(700) && standstill.is_new(701));
    }
}
