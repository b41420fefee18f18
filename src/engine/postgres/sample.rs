//! A second session that looks at another backend's locks every few milliseconds, and where it can, while that backend
//! stands still at a commit ([`super::standstill`]).

use super::abilities::Ability;
use super::session::Session;
use super::standstill::{self, Standstill, Told};
use super::under_way::how_far;
use crate::engine::ServerError;
use crate::observation::lock::LockMode;
use crate::progress::Activity;
use crate::snapshot::Oid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(5);

/// Between two questions how far a statement is; shorter ones are not asked about.
const HOW_FAR: Duration = Duration::from_secs(1);

/// Between two questions how much of the disk is used.
const DISK: Duration = Duration::from_millis(50);

/// What was seen of one backend.
#[derive(Debug, Default)]
pub struct Samples {
    /// Granted locks.
    pub locks: BTreeMap<(Oid, LockMode), Sampled>,
    /// Commits at which it stood still while its locks were read.
    pub commits: usize,
    /// Every commit was such a one, as far as it was asked for.
    pub every_commit: bool,
    /// How long it was made to stand still.
    pub held_up: Duration,
    /// Bytes of its database, at the most, temporary files included; `None` when nobody looked.
    pub peak_bytes: Option<u64>,
    /// Bytes of temporary files there were at once, at the most.
    pub temp_bytes: u64,
    /// Relations behind them.
    pub relations: Vec<SampledRelation>,
}

/// How one lock was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sampled {
    /// While its holder stood still at a commit, and not by chance.
    pub exact: bool,
    /// It was granted at some look.
    pub granted: bool,
    /// From the first look at which it was waited for to the last.
    pub waited: Duration,
    /// It was held at most from here…
    pub since: Option<Instant>,
    /// …to here; to the end where `None`.
    pub until: Option<Instant>,
}

/// A relation seen behind a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampledRelation {
    /// Its OID.
    pub oid: Oid,
    /// Qualified name.
    pub name: String,
    /// `relkind`.
    pub kind: char,
    /// Of a partition.
    pub parent: Option<Oid>,
    /// Of an index.
    pub table: Option<Oid>,
}

#[derive(Debug, Default)]
struct Shared {
    pid: Option<i32>,
    /// When its statement began.
    begun: Option<Instant>,
    /// Counts statements: what was asked for during one is none of the next one's.
    turn: u64,
    /// Where the WAL stood when its statement began.
    since: String,
    stopping: bool,
    /// Its commits stand still, and this session lets them go on.
    standstill: Option<Standstill>,
    /// Each look: when it was asked for, whether its backend stood still, and what it showed.
    looks: Vec<(Instant, bool, Vec<Look>)>,
    peak_bytes: Option<u64>,
    temp_bytes: u64,
    failure: Option<ServerError>,
}

#[derive(Debug, Clone)]
struct Look {
    oid: Oid,
    mode: LockMode,
    granted: bool,
    name: Option<String>,
    kind: char,
    parent: Option<Oid>,
    table: Option<Oid>,
}

/// The sampling task.
#[derive(Debug)]
pub struct Sampler {
    shared: Arc<Mutex<Shared>>,
    wake: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Sampler {
    /// Starts it; it looks at nothing until [`Sampler::watch`].
    /// How far long statements are is told to `activity`.
    pub fn start(session: Session, activity: Activity) -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let wake = Arc::new(Notify::new());
        let task = tokio::spawn(sample(session, Arc::clone(&shared), Arc::clone(&wake), activity));
        Self { shared, wake, task }
    }

    /// Looks at this backend from now on; what was seen before is forgotten. `since`: where the WAL stands.
    /// `standstill`: its commits stand still until this session lets them go on.
    pub(super) async fn watch(&self, pid: i32, since: &str, standstill: Option<Standstill>) {
        let mut shared = self.shared.lock().await;
        shared.pid = Some(pid);
        shared.begun = Some(Instant::now());
        shared.turn += 1;
        since.clone_into(&mut shared.since);
        let at_once = standstill.is_some();
        shared.standstill = standstill;
        shared.looks.clear();
        (shared.peak_bytes, shared.temp_bytes) = (None, 0);
        // A short statement wakes nobody: the task finds a longer one by itself.
        if at_once {
            self.wake.notify_one();
        }
    }

    /// Whether the backend stood still at a commit since [`Sampler::watch`], and how that is told.
    pub(super) async fn seen_standing(&self) -> Option<Told> {
        let shared = self.shared.lock().await;
        shared.standstill.as_ref().filter(|standstill| standstill.commits > 0).map(|standstill| standstill.told)
    }

    /// Stops looking and gives what looks asked for since `started` saw.
    pub async fn take_since(&self, started: Instant) -> Samples {
        let mut shared = self.shared.lock().await;
        shared.pid = None;
        shared.turn += 1;
        let mut samples =
            Samples { peak_bytes: shared.peak_bytes, temp_bytes: shared.temp_bytes, ..Samples::default() };
        if let Some(standstill) = shared.standstill.take() {
            (samples.commits, samples.held_up) = (standstill.commits, standstill.held_up);
            samples.every_commit = !standstill.given_up;
        }
        let mut waiting: BTreeMap<(Oid, LockMode), Instant> = BTreeMap::new();
        let mut before = started;
        for (asked, still, looks) in shared.looks.drain(..).filter(|(asked, ..)| *asked >= started) {
            let mut gone: BTreeSet<_> = samples.locks.keys().copied().collect();
            for look in looks {
                let lock = (look.oid, look.mode);
                gone.remove(&lock);
                let fresh = !samples.locks.contains_key(&lock);
                let seen = samples.locks.entry(lock).or_default();
                seen.granted |= look.granted;
                seen.exact |= still && look.granted;
                if look.granted {
                    seen.since = seen.since.or(Some(before));
                    seen.until = None;
                }
                if !look.granted {
                    seen.waited = asked - *waiting.entry(lock).or_insert(asked);
                }
                if fresh && let Some(name) = look.name {
                    let Look { oid, kind, parent, table, .. } = look;
                    samples.relations.push(SampledRelation { oid, name, kind, parent, table });
                }
            }
            for lock in gone {
                if let Some(seen) = samples.locks.get_mut(&lock) {
                    seen.until = seen.until.or(Some(asked));
                }
            }
            before = asked;
        }
        samples
    }

    /// Ends the task and its session.
    ///
    /// # Errors
    /// What broke the sampling session on the way: without it nothing may be called complete.
    pub async fn stop(self) -> Result<(), ServerError> {
        self.shared.lock().await.stopping = true;
        self.wake.notify_one();
        // The task ends by itself; a panic in it would already have been reported by the runtime.
        let _ = self.task.await;
        let failure = self.shared.lock().await.failure.take();
        failure.map_or(Ok(()), Err)
    }
}

async fn sample(mut session: Session, shared: Arc<Mutex<Shared>>, wake: Arc<Notify>, activity: Activity) {
    let mut asked_how_far = Instant::now();
    let mut asked_disk = Instant::now();
    let mut looked_by_chance: Option<Instant> = None;
    let mut looked_at = 0;
    loop {
        let (watched, turn, standstill, stopping) = {
            let shared = shared.lock().await;
            (shared.pid.zip(shared.begun), shared.turn, shared.standstill.clone(), shared.stopping)
        };
        if stopping {
            break;
        }
        let Some((pid, begun)) = watched else {
            pause(&wake, INTERVAL).await;
            continue;
        };
        if turn != looked_at {
            looked_at = turn;
            (asked_how_far, asked_disk) = (begun, begun);
            looked_by_chance = None;
        }
        let (still, disturbs) = (standstill.is_some(), standstill.is_some_and(|standstill| !standstill.by_chance));
        // Most statements are over by then, and a look would only keep the processor from them.
        let young = INTERVAL.saturating_sub(begun.elapsed());
        if !still && !young.is_zero() {
            pause(&wake, young).await;
            continue;
        }
        let interval = if still { standstill::INTERVAL } else { INTERVAL };
        let by_chance = !disturbs && looked_by_chance.is_none_or(|last| last.elapsed() >= INTERVAL);
        if by_chance {
            looked_by_chance = Some(Instant::now());
        }
        match once(&mut session, pid, turn, &shared, by_chance).await {
            Err(error) if still || !is_crowded_out(&error) => {
                shared.lock().await.failure = Some(error);
                return;
            }
            // The next look may get in.
            Ok(()) | Err(_) => {}
        }
        if !disturbs && asked_disk.elapsed() >= DISK {
            match disk(&mut session).await {
                Ok((all, temporary)) => {
                    let mut shared = shared.lock().await;
                    if shared.turn == turn {
                        shared.peak_bytes = shared.peak_bytes.max(Some(all));
                        shared.temp_bytes = shared.temp_bytes.max(temporary);
                    }
                }
                Err(error) if is_crowded_out(&error) => {}
                Err(error) => {
                    shared.lock().await.failure = Some(error);
                    return;
                }
            }
            asked_disk = Instant::now();
        }
        if !disturbs && asked_how_far.elapsed() >= HOW_FAR {
            asked_how_far = Instant::now();
            let since = shared.lock().await.since.clone();
            match how_far(&mut session, pid, &since).await {
                Ok(detail) => activity.set_detail(detail),
                Err(error) if is_crowded_out(&error) => {}
                Err(error) => {
                    shared.lock().await.failure = Some(error);
                    return;
                }
            }
        }
        pause(&wake, interval).await;
    }
    session.close().await;
}

/// Whether another session holds all the locks there is room for.
pub(super) fn is_crowded_out(error: &ServerError) -> bool {
    error.sqlstate == "53200"
}

/// Waits, but no longer than until something is to be looked at at once.
async fn pause(wake: &Notify, interval: Duration) {
    // Either way it is time to see what there is to do.
    let _ = tokio::time::timeout(interval, wake.notified()).await;
}

/// One look, if the backend stands still at a commit, from which it goes on afterwards, or `by_chance`.
async fn once(
    session: &mut Session,
    pid: i32,
    turn: u64,
    shared: &Mutex<Shared>,
    by_chance: bool,
) -> Result<(), ServerError> {
    let asked = Instant::now();
    let mut standstill = shared.lock().await.standstill.clone();
    let (told, commit) = match &standstill {
        Some(standstill) => (standstill.told, standstill.commit(session, pid).await?),
        None => (Told::default(), None),
    };
    if commit.is_none() && !by_chance {
        return Ok(());
    }
    let looks = look(session, pid).await?;
    if let (Some(standstill), Some(commit)) = (&mut standstill, &commit) {
        standstill.note(pid, commit, asked);
        standstill.give_up_in_time();
    }
    {
        let mut shared = shared.lock().await;
        // A look that was under way while the statement ended may show the next one: it is not kept.
        if shared.turn != turn {
            return Ok(());
        }
        // Kept before the backend goes on, which may be its last step.
        shared.looks.push((asked, commit.is_some(), looks));
        shared.standstill.clone_from(&standstill);
    }
    match (standstill, commit) {
        (Some(standstill), Some(commit)) => standstill.let_go(session, pid, &commit, told).await,
        _ => Ok(()),
    }
}

/// Bytes of the database and its temporary files, and of the latter alone.
///
/// # Errors
/// What the server says.
pub(super) async fn disk(session: &mut Session) -> Result<(u64, u64), ServerError> {
    // Of temporary files a superuser alone is told.
    let temporary = match session.abilities.has(Ability::Superuser) {
        true => "(SELECT coalesce(pg_catalog.sum(size), 0) FROM pg_catalog.pg_ls_tmpdir())",
        false => "0",
    };
    let rows = session
        .query(&format!("SELECT pg_catalog.pg_database_size(pg_catalog.current_database()) + {temporary}, {temporary}"))
        .await?;
    let row = rows.rows.first();
    let number = |column| row.and_then(|row| super::probe::number(row, column)).unwrap_or_default();
    Ok((number(0), number(1)))
}

/// Its locks now. Dead indexes are left out: CONCURRENTLY drops them under the strongest lock when nobody can ask for one
/// any more.
async fn look(session: &mut Session, pid: i32) -> Result<Vec<Look>, ServerError> {
    let rows = session
        .query(&format!(
            "SELECT l.relation, l.mode, l.granted, \
                    pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), c.relkind, \
                    (SELECT h.inhparent FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid AND c.relispartition), \
                    (SELECT i.indrelid FROM pg_catalog.pg_index i WHERE i.indexrelid = c.oid) \
             FROM pg_catalog.pg_locks l \
             LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation \
             LEFT JOIN pg_catalog.pg_index d ON d.indexrelid = c.oid AND NOT d.indislive \
             LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE l.pid = {pid} AND l.locktype = 'relation' AND l.relation >= 16384 \
               AND n.nspname NOT LIKE 'pg\\_toast%' AND d.indexrelid IS NULL \
               AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d \
                                 WHERE d.datname = pg_catalog.current_database())"
        ))
        .await?;
    Ok(rows
        .rows
        .iter()
        .filter_map(|row| {
            let text = |column: usize| row.get(column)?.as_deref();
            Some(Look {
                oid: text(0)?.parse().ok()?,
                mode: LockMode::from_pg_locks(text(1)?)?,
                granted: text(2) == Some("t"),
                name: text(3).map(str::to_owned),
                kind: text(4).and_then(|kind| kind.chars().next()).unwrap_or('r'),
                parent: text(5).and_then(|oid| oid.parse().ok()),
                table: text(6).and_then(|oid| oid.parse().ok()),
            })
        })
        .collect())
}
