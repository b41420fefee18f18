//! Makes a backend stand still at each of its commits, locks still held, for as long as it takes to read them.
//!
//! Statements that cannot run in a transaction of ours (CONCURRENTLY, VACUUM, blocks of code and procedures) commit by
//! themselves, and on a small copy they are over before anybody looks. A server with `synchronous_standby_names` set
//! waits in every commit that wrote something for a standby that is not there; the commit is on disk by then, and its
//! locks are held until the wait is over. Cancelling that wait ends it with a warning and nothing else
//! (`SyncRepWaitForLSN` in `syncrep.c`). So the statement takes no lock it would not take alone, meets nobody who holds
//! one, and does not fail. A session that has turned `synchronous_commit` off does not wait, and is looked at by chance.
//!
//! What commits by itself may wait, under its `lock_timeout`, for whoever has an older snapshot of its database
//! (`WaitForOlderSnapshots` in `indexcmds.c`), and a question to the server takes one. So the server is asked only while
//! the backend stands still: the title of its process tells when that is, and a signal lets it go. Looks by chance are
//! left out where a time limit is short.

use super::session::Session;
use crate::engine::ServerError;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::{Duration, Instant};

/// Between two looks whether it stands still.
pub(super) const INTERVAL: Duration = Duration::from_millis(1);

/// After so many commits the rest go on unseen: procedures that commit in batches do the same each time.
const COMMITS: usize = 100;

/// With a shorter `lock_timeout`, in milliseconds, nobody looks by chance: that may be what is waited for.
const SHORT_LOCK_TIMEOUT: u64 = 100;

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

/// How it is found out that a backend stands still.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Told {
    /// By `pg_stat_activity`.
    #[default]
    ByTheServer,
    /// By the title of its process, which disturbs nobody.
    ByItsTitle,
}

/// What came of it for one statement.
#[derive(Debug, Clone, Default)]
pub(super) struct Standstill {
    /// How it is found out.
    pub(super) told: Told,
    /// Looks between commits disturb nothing.
    pub(super) by_chance: bool,
    /// Commits seen.
    pub(super) commits: usize,
    /// How long they were held up, together.
    pub(super) held_up: Duration,
    /// Later commits are not waited for any more.
    pub(super) given_up: bool,
    /// The commit that was let go last: never twice, since the second time would end the statement.
    last: Option<String>,
    limit: Duration,
}

impl Standstill {
    /// For a statement under this `lock_timeout` and `statement_timeout`, in milliseconds; 0 is none.
    pub(super) fn within(lock_timeout_ms: u64, statement_timeout_ms: u64, told: Told) -> Self {
        let by_chance = lock_timeout_ms == 0 || lock_timeout_ms >= SHORT_LOCK_TIMEOUT;
        let part = Duration::from_millis(statement_timeout_ms) / PART_OF_TIMEOUT as u32;
        let limit = if statement_timeout_ms == 0 { HELD_UP } else { part.min(HELD_UP) };
        Self { told, by_chance, limit, ..Self::default() }
    }

    /// The commit in which the backend stands still, if it does and was not let go of yet.
    ///
    /// # Errors
    /// What the server says, where it is asked.
    pub(super) async fn commit(&self, session: &mut Session, pid: i32) -> Result<Option<String>, ServerError> {
        let commit = match self.told {
            _ if self.given_up => None,
            Told::ByItsTitle => title(pid),
            Told::ByTheServer => at_commit(session, pid).await?,
        };
        Ok(commit.filter(|commit| self.is_new(commit)))
    }

    fn is_new(&self, commit: &str) -> bool {
        self.last.as_deref() != Some(commit)
    }

    /// Takes down that the backend stands still in this commit. `since`: when that was seen.
    pub(super) fn note(&mut self, pid: i32, commit: &str, since: Instant) {
        if title(pid).is_some() {
            self.told = Told::ByItsTitle;
        }
        self.last = Some(commit.to_owned());
        self.commits += 1;
        self.held_up += since.elapsed();
    }

    /// Lets the backend go on. `told`: how this commit was found.
    ///
    /// # Errors
    /// What the server says.
    pub(super) async fn let_go(
        &self,
        session: &mut Session,
        pid: i32,
        commit: &str,
        told: Told,
    ) -> Result<(), ServerError> {
        if self.given_up {
            return end(session).await;
        }
        // Looked at and cancelled in one go: its time limit may have ended the wait.
        match told {
            Told::ByItsTitle if title(pid).as_deref() == Some(commit) => {
                // What `pg_cancel_backend` does. A backend that is gone has broken its connection, which is told there.
                let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
            }
            Told::ByItsTitle => {}
            Told::ByTheServer => {
                let cancel = format!(
                    "SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity \
                     WHERE pid = {pid} AND wait_event = 'SyncRep' AND backend_xid::text = '{commit}'"
                );
                session.query(&cancel).await?;
            }
        }
        Ok(())
    }

    /// That was enough: this commit and all later ones go on when the server itself lets them.
    pub(super) fn give_up_in_time(&mut self) {
        self.given_up = self.commits >= COMMITS || self.held_up > self.limit;
    }
}

/// The WAL position for which the backend waits in a commit, by the title of its process; one that waits for a lock has
/// `waiting` alone there (`SyncRepWaitForLSN`, `ProcSleep`). `None` also where there are no titles to read.
fn title(pid: i32) -> Option<String> {
    // Nobody can tell from a process that is gone, or where processes are no files.
    let title = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    waits_for(&String::from_utf8_lossy(&title))
}

fn waits_for(title: &str) -> Option<String> {
    // To its end, so that no name of a role or a database passes for it.
    let position = title.trim_end_matches(['\0', ' ']).rsplit_once(" waiting for ")?.1;
    let hexadecimal = |part: &str| !part.is_empty() && part.chars().all(|each| each.is_ascii_hexdigit());
    position
        .split_once('/')
        .is_some_and(|(high, low)| hexadecimal(high) && hexadecimal(low))
        .then(|| position.to_owned())
}

/// The transaction in whose commit the backend stands still, if it does.
async fn at_commit(session: &mut Session, pid: i32) -> Result<Option<String>, ServerError> {
    let waiting = format!(
        "SELECT backend_xid FROM pg_catalog.pg_stat_activity \
         WHERE pid = {pid} AND wait_event = 'SyncRep' AND backend_xid IS NOT NULL"
    );
    Ok(session.query(&waiting).await?.scalar().map(str::to_owned))
}

/// Commits stand still from now on, and this is how it is found out. `None`: they do not, and nothing is left of the
/// attempt. `watcher` lets go the commits of `session`, with which this makes sure of it.
///
/// # Errors
/// What the server says.
pub(super) async fn begin(
    session: &mut Session,
    watcher: &super::sample::Sampler,
) -> Result<Option<Told>, ServerError> {
    session.execute(BEGIN).await?;
    session.query(RELOAD).await?;
    let started = Instant::now();
    watcher.watch(session.pid, "0/0", Some(Standstill { limit: READY, ..Standstill::default() })).await;
    // The setting counts once the checkpointer has read it, and nothing but a commit tells when that is.
    while started.elapsed() < READY {
        session.query(COMMIT_SOMETHING).await?;
        if let Some(told) = watcher.seen_standing().await {
            return Ok(Some(told));
        }
    }
    end(session).await?;
    Ok(None)
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
        let limit = |statement_timeout_ms| Standstill::within(0, statement_timeout_ms, Told::ByItsTitle).limit;
        assert_eq!([0, 2_000, 3_600_000].map(limit), [HELD_UP, Duration::from_millis(20), HELD_UP]);
    }

    #[test]
    fn who_soon_stops_waiting_for_locks_is_not_looked_at_by_chance() {
        let by_chance = |lock_timeout_ms| Standstill::within(lock_timeout_ms, 0, Told::ByItsTitle).by_chance;
        assert_eq!([0, 1, 99, 100].map(by_chance), [true, false, false, true]);
    }

    #[test]
    fn no_commit_is_let_go_twice() {
        let mut standstill = Standstill::within(0, 0, Told::ByTheServer);
        assert!(standstill.is_new("0/700"));
        standstill.last = Some("0/700".to_owned());
        assert!(!standstill.is_new("0/700") && standstill.is_new("0/701"));
    }

    #[test]
    fn a_title_tells_a_commit_from_a_lock() {
        let at_commit = "postgres: app shop [local] CREATE INDEX waiting for 0/3A8E1B0\0\0\0";
        assert_eq!(waits_for(at_commit).as_deref(), Some("0/3A8E1B0"));
        for other in
            ["postgres: app shop [local] CREATE INDEX waiting", "postgres: a waiting for 0/1 shop [local] idle", ""]
        {
            assert_eq!(waits_for(other), None, "{other}");
        }
    }
}
