//! A second session that looks at another backend's locks every few milliseconds.

use super::session::Session;
use super::under_way::how_far;
use crate::engine::ServerError;
use crate::observation::lock::LockMode;
use crate::progress::Activity;
use crate::snapshot::Oid;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(5);

/// Between two questions how far a statement is; shorter ones are not asked about.
const HOW_FAR: Duration = Duration::from_secs(1);

/// What was seen of one backend.
#[derive(Debug, Default)]
pub struct Samples {
    /// Granted locks with the moment each was seen last.
    pub locks: BTreeMap<(Oid, LockMode), Instant>,
    /// Relations behind them.
    pub relations: Vec<SampledRelation>,
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
    /// Where the WAL stood when its statement began.
    since: String,
    stopping: bool,
    /// Each look: when it was asked for, and what it showed.
    looks: Vec<(Instant, Vec<Look>)>,
    failure: Option<ServerError>,
}

#[derive(Debug, Clone)]
struct Look {
    oid: Oid,
    mode: LockMode,
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
    pub async fn watch(&self, pid: i32, since: &str) {
        let mut shared = self.shared.lock().await;
        shared.pid = Some(pid);
        since.clone_into(&mut shared.since);
        shared.looks.clear();
        self.wake.notify_one();
    }

    /// Stops looking and gives what looks asked for since `started` saw.
    pub async fn take_since(&self, started: Instant) -> Samples {
        let mut shared = self.shared.lock().await;
        shared.pid = None;
        let mut samples = Samples::default();
        for (asked, looks) in shared.looks.drain(..).filter(|(asked, _)| *asked >= started) {
            for look in looks {
                if samples.locks.insert((look.oid, look.mode), asked).is_none()
                    && let Some(name) = look.name
                {
                    let Look { oid, kind, parent, table, .. } = look;
                    samples.relations.push(SampledRelation { oid, name, kind, parent, table });
                }
            }
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
    loop {
        let (pid, since, stopping) = {
            let shared = shared.lock().await;
            (shared.pid, shared.since.clone(), shared.stopping)
        };
        if stopping {
            break;
        }
        let Some(pid) = pid else {
            wake.notified().await;
            asked_how_far = Instant::now();
            continue;
        };
        let asked = Instant::now();
        match look(&mut session, pid).await {
            Ok(looks) => {
                let mut shared = shared.lock().await;
                // A look that was under way while the statement ended may show the next one: it is not kept.
                if shared.pid == Some(pid) {
                    shared.looks.push((asked, looks));
                }
            }
            Err(error) => {
                shared.lock().await.failure = Some(error);
                return;
            }
        }
        if asked_how_far.elapsed() >= HOW_FAR {
            asked_how_far = Instant::now();
            match how_far(&mut session, pid, &since).await {
                Ok(detail) => activity.set_detail(detail),
                Err(error) => {
                    shared.lock().await.failure = Some(error);
                    return;
                }
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
    session.close().await;
}

async fn look(session: &mut Session, pid: i32) -> Result<Vec<Look>, ServerError> {
    let rows = session
        .query(&format!(
            "SELECT l.relation, l.mode, \
                    pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), c.relkind, \
                    (SELECT h.inhparent FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid AND c.relispartition), \
                    (SELECT i.indrelid FROM pg_catalog.pg_index i WHERE i.indexrelid = c.oid) \
             FROM pg_catalog.pg_locks l \
             LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation \
             LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE l.pid = {pid} AND l.locktype = 'relation' AND l.granted AND l.relation >= 16384 \
               AND n.nspname NOT LIKE 'pg\\_toast%' \
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
                name: text(2).map(str::to_owned),
                kind: text(3).and_then(|kind| kind.chars().next()).unwrap_or('r'),
                parent: text(4).and_then(|oid| oid.parse().ok()),
                table: text(5).and_then(|oid| oid.parse().ok()),
            })
        })
        .collect())
}
