//! Measures each statement while the migration runs: locks, rewrites, scans, WAL, time.
//!
//! Inside a transaction everything is read from the migration's own backend before it commits, which is exact. A
//! second session samples `pg_locks` all the while, for statements that fail, that cannot run in a transaction, or
//! whose subtransactions let go of their locks early.

mod seen;
mod work;

use super::abilities::Ability;
use super::apply::{Moment, Ran, Watch};
use super::probe::{
    ALL_RELATIONS, Counters, HAND_OVER, LIMITS, OWN_COUNTERS, OWN_STATE, SHARED_COUNTERS, STATE_COLUMNS, STATE_SUMMARY,
    WAL_POSITION, counters, counts_outside, milliseconds, number, position, some_relations, summary,
};
use super::sample::Sampler;
use super::session::{Endpoint, Row, Rows, Session};
use super::standstill::{self, Standstill, Told};
use crate::engine::ServerError;
use crate::migration::script::StatementKind;
use crate::observation::lock::LockMode;
use crate::observation::{Observation, ObservedLock, Outcome};
use crate::progress::Activity;
use crate::snapshot::{Oid, RelationSize, catalog::Catalog};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The first OID handed to user objects (`FirstNormalObjectId`).
const FIRST_USER_OID: Oid = 16384;

/// Columns: OID of the database, whether [`HAND_OVER`] is known, whether everybody may ask for [`WAL_POSITION`] as they
/// may in a new cluster: a refusal would abort the migration's transaction.
const FACTS: &str = "
SELECT d.oid, pg_catalog.to_regproc('pg_catalog.pg_stat_force_next_flush') IS NOT NULL,
       (SELECT p.proacl IS NULL FROM pg_catalog.pg_proc p
        WHERE p.oid = 'pg_catalog.pg_current_wal_insert_lsn()'::pg_catalog.regprocedure)
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";

/// The database's size is counted anew once so much WAL was written since, in bytes.
const MUCH_WAL: u64 = 4 << 20;

/// What is known of a relation by now.
#[derive(Debug, Clone)]
struct Known {
    name: String,
    kind: char,
    filenode: Oid,
    /// The summary of [`OWN_STATE`] as long as there is nothing new.
    summary: String,
    /// Table of an index; topmost parent of a partition.
    table: Option<Oid>,
    parent: Option<Oid>,
    rows: u64,
    created_in_run: bool,
    toast: bool,
}

/// Files of relations after a statement.
#[derive(Debug, Default)]
struct Files {
    nodes: BTreeMap<Oid, Oid>,
    /// Tables with nothing in them.
    empty: BTreeSet<Oid>,
}

/// A lock whose transaction has not ended yet.
struct OpenLock {
    observation: usize,
    lock: usize,
    since: Instant,
    /// [`Observer::overhead`] at that moment.
    overhead: Duration,
}

/// The watcher of the measured run.
pub struct Observer<'run> {
    session: Session,
    sampler: Sampler,
    known: BTreeMap<Oid, Known>,
    /// What relations are from the next statement on.
    renewed: BTreeMap<Oid, Known>,
    counters: BTreeMap<Oid, Counters>,
    baseline_read: bool,
    /// The server can be told to take over a backend's counters.
    hands_over: bool,
    /// The file of the statement before: between files the runner sends statements of its own.
    file: String,
    /// Everybody may ask where the WAL stands.
    tells_wal: bool,
    /// What is asked in the transaction after each statement: a row with the WAL's position, if that may be asked there, and
    /// the counters handed over, if the server can; then [`OWN_STATE`].
    question: String,
    held: BTreeMap<(Oid, LockMode), Instant>,
    /// Rows of tables that the open transaction emptied, by table and the file they are in.
    given_up: BTreeMap<(Oid, Oid), u64>,
    open: Vec<OpenLock>,
    wal_before: String,
    transaction_before: u64,
    lock_timeout_ms: u64,
    statement_timeout_ms: u64,
    /// Commits of the statement that runs now stand still, and this is how it is found out.
    still: Option<Told>,
    /// Commits can be made to on this server, as far as is known.
    stands_still: bool,
    /// How often each table was vacuumed before the statement, if it is a VACUUM.
    vacuumed: BTreeMap<Oid, u64>,
    /// Bytes of the database, and where the WAL was when they were counted.
    bytes: (u64, u64),
    /// Time spent looking, while the migration waited: no part of how long it holds its locks.
    overhead: Duration,
    /// The statement that runs now, for whoever waits.
    activity: Activity,
    /// One for each statement that was sent, in order. The caller's own, so that they outlive a run that is cut off.
    observations: &'run mut Vec<Observation>,
}

impl<'run> Observer<'run> {
    /// Prepares to watch a copy whose catalog and sizes were just read.
    ///
    /// # Errors
    /// What the server says to two more superuser sessions.
    pub async fn new(
        endpoint: &Endpoint,
        database: &str,
        catalog: &Catalog,
        sizes: &BTreeMap<Oid, RelationSize>,
        activity: Activity,
        observations: &'run mut Vec<Observation>,
    ) -> Result<Self, ServerError> {
        let mut session = Session::observer(endpoint, database, "observer").await?;
        // Whether commits stand still is told by one of this session's own, whatever the database has set.
        session.execute("SET synchronous_commit = on").await?;
        let facts = session.query(FACTS).await?;
        let fact = |column: usize| facts.rows.first()?.get(column)?.as_deref();
        let (hands_over, tells_wal) = (fact(1) == Some("t"), fact(2) == Some("t"));
        let stands_still = session.abilities.has(Ability::StopsCommits);
        let sampling = Session::observer(endpoint, database, "sampler").await?;
        let known = catalog
            .relations
            .values()
            .map(|relation| {
                let known = Known {
                    name: relation.qualified.clone(),
                    kind: relation.kind.letter(),
                    filenode: relation.filenode,
                    summary: summary(relation.filenode, relation.is_partition, &relation.qualified),
                    table: catalog.indexes.get(&relation.oid).map(|index| index.table),
                    parent: relation.parent.filter(|_| relation.is_partition),
                    rows: sizes.get(&relation.oid).and_then(|size| size.rows).map_or(0, |rows| rows.max(0.0) as u64),
                    created_in_run: false,
                    toast: false,
                };
                (relation.oid, known)
            })
            .collect();
        Ok(Self {
            session,
            sampler: Sampler::start(sampling, activity.clone()),
            known,
            renewed: BTreeMap::new(),
            counters: BTreeMap::new(),
            baseline_read: false,
            hands_over,
            tells_wal,
            question: question(fact(0).unwrap_or("0"), hands_over, tells_wal),
            file: String::new(),
            held: BTreeMap::new(),
            given_up: BTreeMap::new(),
            open: Vec::new(),
            wal_before: String::new(),
            transaction_before: 0,
            lock_timeout_ms: 0,
            statement_timeout_ms: 0,
            still: None,
            stands_still,
            vacuumed: BTreeMap::new(),
            bytes: (0, 0),
            overhead: Duration::ZERO,
            activity,
            observations,
        })
    }

    /// Ends the watching sessions.
    ///
    /// # Errors
    /// What stopped the sampling session, if it broke on the way.
    pub async fn finish(mut self) -> Result<(), ServerError> {
        if self.still.is_some() {
            // A statement broke its connection: what broke the server as well is told by whoever uses it next.
            let _ = standstill::end(&mut self.session).await;
        }
        self.session.close().await;
        self.sampler.stop().await
    }

    async fn wal_position(&mut self) -> Result<String, ServerError> {
        let rows = self.session.query(WAL_POSITION).await?;
        Ok(rows.scalar().unwrap_or("0/0").to_owned())
    }

    /// The transaction id that will be given out next.
    async fn next_transaction(&mut self) -> Result<u64, ServerError> {
        let next = "SELECT pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot())";
        Ok(self.session.query(next).await?.scalar().and_then(|id| id.parse().ok()).unwrap_or(0))
    }

    /// Takes in what is told about relations, in rows as of [`ALL_RELATIONS`]; new ones are known from here on.
    fn learn(&mut self, rows: &Rows) -> Files {
        let mut files = Files::default();
        for row in &rows.rows {
            let text = |column: usize| row.get(column).and_then(|value| value.as_deref());
            let (Some(oid), Some(name)) = (number::<Oid>(row, 0), text(1)) else { continue };
            let filenode = number(row, 3).unwrap_or_default();
            let parent = number(row, 5);
            files.nodes.insert(oid, filenode);
            if text(7) == Some("t") {
                files.empty.insert(oid);
            }
            let before = self.known.get(&oid);
            let now = Known {
                name: name.to_owned(),
                kind: text(2).and_then(|kind| kind.chars().next()).unwrap_or('r'),
                filenode: before.map_or(filenode, |known| known.filenode),
                summary: summary(filenode, parent.is_some(), name),
                table: number(row, 4),
                parent,
                rows: before.map_or(0, |known| known.rows),
                created_in_run: before.is_none_or(|known| known.created_in_run),
                toast: text(6) == Some("t"),
            };
            if before.is_none() {
                self.known.insert(oid, now);
            } else {
                // The statement met the relation as it was: under its old name, not yet in or still in its parent.
                self.renewed.insert(oid, now);
            }
        }
        files
    }

    /// What the open transaction did to relations may have been taken back: as they are read now, they are known, and what
    /// has its old file has its old rows.
    async fn forget_undone(&mut self, within: Option<&mut Session>) -> Result<(), ServerError> {
        let touched: BTreeSet<Oid> = self.held.keys().map(|(oid, _)| *oid).collect();
        if touched.is_empty() {
            return Ok(());
        }
        let rows = within.unwrap_or(&mut self.session).query(&some_relations(touched.into_iter())).await?;
        let files = self.learn(&rows);
        for (oid, now) in std::mem::take(&mut self.renewed) {
            let filenode = files.nodes.get(&oid).copied().unwrap_or_default();
            let rows = self.given_up.get(&(oid, filenode)).copied().unwrap_or(now.rows);
            self.known.insert(oid, Known { filenode, rows, ..now });
        }
        Ok(())
    }

    fn topmost(&self, oid: Oid) -> Oid {
        let mut top = oid;
        while let Some(parent) = self.known.get(&top).and_then(|known| known.parent) {
            top = parent;
        }
        top
    }

    /// Whether the relation, or the table an index belongs to, came with this run.
    fn created_in_run(&self, oid: Oid) -> bool {
        self.known
            .get(&oid)
            .is_none_or(|known| known.table.and_then(|table| self.known.get(&table)).unwrap_or(known).created_in_run)
    }

    /// Whether the relation is a materialized view, or an index of one.
    fn read_only(&self, oid: Oid) -> bool {
        let of = |oid: Oid| self.known.get(&oid);
        of(oid).is_some_and(|known| known.table.and_then(of).unwrap_or(known).kind == 'm')
    }

    /// Whether nobody outside can know it yet: it, or its table, came with this run.
    fn new_to_all(&self, oid: Oid) -> bool {
        self.created_in_run(oid) || self.known.get(&oid).is_some_and(|known| known.created_in_run)
    }

    /// Turns relation locks into the statement's list: partitions under their parent, catalogs left out.
    fn group_locks(&self, locks: &BTreeSet<(Oid, LockMode)>, exact: bool) -> Vec<ObservedLock> {
        let mut grouped: BTreeMap<(Oid, LockMode), ObservedLock> = BTreeMap::new();
        for (oid, mode) in locks {
            let Some(known) = self.known.get(oid).filter(|known| !known.toast) else { continue };
            let top = self.topmost(*oid);
            let name_of = |oid: Oid| self.known.get(&oid).map_or_else(|| known.name.clone(), |top| top.name.clone());
            let (name, table) = (name_of(top), name_of(known.table.map_or(top, |table| self.topmost(table))));
            let lock = grouped.entry((top, *mode)).or_insert_with(|| ObservedLock {
                relation: top,
                name,
                table,
                partitions: 0,
                partitions_only: true,
                mode: *mode,
                held_ms: 0.0,
                waited_ms: 0.0,
                exact,
                created_in_run: self.new_to_all(*oid),
                index: matches!(known.kind, 'i' | 'I'),
                read_only: self.read_only(*oid),
                taken_here: true,
            });
            if top == *oid {
                lock.partitions_only = false;
            } else {
                lock.partitions += 1;
            }
            lock.created_in_run &= self.new_to_all(*oid);
        }
        grouped.into_values().collect()
    }

    /// Counters for a statement that may commit on its way: the shared ones, once the backend has handed its own over.
    /// Servers before 15 cannot be told to; there what the backend still holds has to do.
    async fn counters_outside(&mut self, session: &mut Session) -> Result<BTreeMap<Oid, Counters>, ServerError> {
        if self.hands_over {
            session.query(HAND_OVER).await?;
            return Ok(counters(&self.session.query(SHARED_COUNTERS).await?));
        }
        Ok(counters(&session.query(OWN_COUNTERS).await?))
    }

    /// The relations of which [`OWN_STATE`] shows something that was not known, and what it shows: they are new, or have
    /// another file or name, or joined or left a parent. Of those dropped nothing is left to be asked for.
    fn news(&self, state: &[&Row]) -> BTreeMap<Oid, String> {
        let told = state.iter().filter_map(|row| Some((number::<Oid>(row, 0)?, row.get(STATE_SUMMARY)?.clone()?)));
        told.filter(|(oid, told)| self.known.get(oid).is_none_or(|known| known.summary != *told)).collect()
    }

    /// Takes in the transaction's own locks and files, exactly, as [`Self::question`] was answered from inside it, and asks
    /// for the rest.
    async fn probe_inside(
        &mut self,
        session: &mut Session,
        told: &Rows,
        observation: &mut Observation,
        kind: &StatementKind,
        started: Instant,
    ) -> Result<(), ServerError> {
        if matches!(kind, StatementKind::RollbackTo) {
            self.forget_undone(Some(session)).await?;
        }
        let state: Vec<&Row> = told.rows.iter().filter(|row| row.len() == STATE_COLUMNS).collect();
        let news = self.news(&state);
        let rows = if news.is_empty() {
            Rows::default()
        } else {
            session.query(&some_relations(news.keys().copied())).await?
        };
        let new: BTreeSet<Oid> = news.keys().filter(|oid| !self.known.contains_key(oid)).copied().collect();
        let files = self.learn(&rows);
        for (oid, summary) in news {
            // As the server puts it.
            if let Some(known) = self.renewed.get_mut(&oid).or(self.known.get_mut(&oid)) {
                known.summary = summary;
            }
        }
        let held: BTreeSet<(Oid, LockMode)> = state
            .iter()
            .filter_map(|row| Some((number::<Oid>(row, 0)?, LockMode::from_pg_locks(row.get(1)?.as_deref()?)?)))
            .collect();
        // What ROLLBACK TO let go of is taken anew by whoever takes it next.
        self.held.retain(|lock, _| held.contains(lock));
        // Dropped relations have no row in pg_class any more, but their locks are there under the OIDs known from before.
        let taken: BTreeSet<_> = held.iter().copied().filter(|lock| !self.held.contains_key(lock)).collect();
        let inherited: BTreeSet<_> = held.iter().copied().filter(|lock| self.held.contains_key(lock)).collect();
        observation.locks = self.group_locks(&taken, true);
        let mut old = self.group_locks(&inherited, true);
        old.retain(|lock| !observation.locks.iter().any(|new| new.relation == lock.relation && new.mode == lock.mode));
        for lock in &mut old {
            lock.taken_here = false;
        }
        observation.locks.append(&mut old);
        for lock in taken {
            self.held.insert(lock, started);
        }
        self.files_changed(&files, &new, observation, kind);
        let counters = counters(told);
        if self.baseline_read {
            self.count(counters, observation);
        } else {
            // Nothing was read before this statement: what stands there now may be an earlier transaction's.
            self.counters = counters;
            self.baseline_read = true;
        }
        Ok(())
    }

    /// Reads what a statement outside any transaction left behind, from the second session.
    async fn probe_outside(
        &mut self,
        session: &mut Session,
        observation: &mut Observation,
        kind: &StatementKind,
    ) -> Result<(), ServerError> {
        let rows = self.session.query(ALL_RELATIONS).await?;
        let new: BTreeSet<Oid> = rows
            .rows
            .iter()
            .filter_map(|row| number::<Oid>(row, 0))
            .filter(|oid| !self.known.contains_key(oid))
            .collect();
        let files = self.learn(&rows);
        self.files_changed(&files, &new, observation, kind);
        if counts_outside(kind) {
            let now = self.counters_outside(session).await?;
            self.count(now, observation);
            // On an idle copy nobody else takes transaction ids; subtransactions do, where commits were not counted.
            observation.committed_within = self.next_transaction().await? > self.transaction_before + 1;
        }
        self.counters.clear();
        Ok(())
    }

    /// Whether the statement commits by itself and has to be made to stand still there, for its locks to be read.
    fn stands_still(&self, at: Moment<'_>) -> bool {
        self.stands_still && !at.in_transaction && !at.kind.leaves_nothing_behind()
    }
}

impl Watch for Observer<'_> {
    const WRAPS: bool = true;

    async fn before(&mut self, session: &mut Session, at: Moment<'_>) -> Result<(), ServerError> {
        let looking = Instant::now();
        let may_read = !matches!(
            at.kind,
            StatementKind::Begin | StatementKind::Set | StatementKind::SetLocal | StatementKind::Lock
        );
        if self.file != at.statement.file.name {
            self.file.clone_from(&at.statement.file.name);
            self.baseline_read &= !self.held.is_empty();
        }
        let baseline = at.in_transaction && !self.baseline_read && may_read;
        let stands_still = self.stands_still(at);
        // SHOW takes no snapshot, so that SET TRANSACTION may still follow.
        let ask = [at.opening, LIMITS, if baseline { OWN_COUNTERS } else { "" }].concat();
        let told = if baseline || stands_still {
            session.query(&ask).await?
        } else {
            // Neither writes to the WAL.
            let (told, wal) = tokio::join!(session.query(&ask), self.session.query(WAL_POSITION));
            self.wal_before = wal?.scalar().unwrap_or("0/0").to_owned();
            told?
        };
        let limit = |row: usize| told.rows.get(row)?.first()?.as_deref().map(milliseconds);
        self.lock_timeout_ms = limit(0).unwrap_or(0);
        self.statement_timeout_ms = limit(1).unwrap_or(0);
        if baseline {
            self.counters = counters(&told);
            self.baseline_read = true;
        }
        if !at.in_transaction && counts_outside(at.kind) {
            self.counters = self.counters_outside(session).await?;
            self.transaction_before = self.next_transaction().await?;
        }
        if matches!(at.kind, StatementKind::Vacuum) {
            self.vacuumed = self.vacuum_counts().await?;
        }
        if stands_still {
            self.still = standstill::begin(&mut self.session, &self.sampler).await?;
            self.stands_still = self.still.is_some();
            // That took a transaction of its own.
            self.transaction_before = self.next_transaction().await?;
        }
        if baseline || stands_still {
            self.wal_before = self.wal_position().await?;
        }
        if self.bytes.0 == 0 || position(&self.wal_before).saturating_sub(self.bytes.1) > MUCH_WAL {
            self.count_bytes().await?;
        }
        let (lock, statement) = (self.lock_timeout_ms, self.statement_timeout_ms);
        let standstill = self.still.map(|told| Standstill::within(lock, statement, told));
        self.sampler.watch(session.pid, &self.wal_before, standstill).await;
        self.activity.begin(at.statement.index, at.statement.place());
        self.overhead += looking.elapsed();
        Ok(())
    }

    async fn after(&mut self, session: &mut Session, at: Moment<'_>, ran: Ran<'_>) -> Result<(), ServerError> {
        self.activity.end();
        let looking = Instant::now();
        let overhead = self.overhead;
        if self.still.take().is_some() {
            standstill::end(&mut self.session).await?;
        }
        let samples = self.sampler.take_since(ran.started).await;
        let touches_data = !matches!(
            at.kind,
            StatementKind::Begin
                | StatementKind::Commit
                | StatementKind::Rollback
                | StatementKind::Set
                | StatementKind::SetLocal
        );
        let inside = at.in_transaction && ran.result.is_ok() && touches_data;
        // Before anything is read inside: reading may tidy up pages, and that is written to the WAL, too.
        let outside = if inside && self.tells_wal { None } else { Some(self.wal_position().await?) };
        let told = if inside { session.query(&self.question).await? } else { Rows::default() };
        let wal_after = position(outside.as_deref().or(told.scalar()).unwrap_or("0/0"));
        let wal_bytes = wal_after.saturating_sub(position(&self.wal_before));
        let mut observation = Observation {
            statement: at.statement.index,
            outcome: match ran.result {
                Ok(_) => Outcome::Ok,
                Err(error) => Outcome::Failed(error.clone()),
            },
            duration_ms: ran.duration.saturating_sub(samples.held_up).as_secs_f64() * 1000.0,
            wal_bytes,
            rows_affected: *ran.result.as_ref().unwrap_or(&0),
            locks: Vec::new(),
            rewritten: Vec::new(),
            scanned: Vec::new(),
            indexes_built: Vec::new(),
            changed: Vec::new(),
            inserted: Vec::new(),
            deleted: Vec::new(),
            dead_rows: 0,
            temp_bytes: 0,
            peak_bytes: 0,
            committed_within: false,
            lock_timeout_ms: self.lock_timeout_ms,
            statement_timeout_ms: self.statement_timeout_ms,
            embedded: None,
        };
        if inside {
            self.probe_inside(session, &told, &mut observation, at.kind, ran.started).await?;
        } else if ran.result.is_ok() && touches_data {
            self.probe_outside(session, &mut observation, at.kind).await?;
        }
        self.add_samples(&mut observation, &samples, ran.started);
        if matches!(at.kind, StatementKind::Vacuum) && ran.result.is_ok() {
            self.add_vacuumed(&mut observation).await?;
        }
        self.add_disk(&mut observation, &samples).await?;
        observation.dead_rows = observation.changed.iter().map(|work| work.rows).sum();
        // A statement that only ran once it was sent bare replaces its refused first try.
        self.observations.retain(|earlier| earlier.statement != observation.statement);
        let index = self.observations.len();
        if !at.in_transaction {
            // What it counted is the backend's still.
            self.baseline_read = false;
        }
        // Where its transaction is still open, that much is certain until it ends.
        for lock in observation.locks.iter_mut().filter(|lock| at.in_transaction && lock.taken_here && lock.exact) {
            lock.held_ms = observation.duration_ms;
        }
        if at.in_transaction {
            for (lock, observed) in observation.locks.iter().enumerate().filter(|(_, lock)| lock.taken_here) {
                let since = if observed.exact { ran.started } else { continue };
                self.open.push(OpenLock { observation: index, lock, since, overhead });
            }
        } else {
            for lock in &mut observation.locks {
                lock.held_ms = lock.held_ms.min(observation.duration_ms);
            }
        }
        for (oid, now) in std::mem::take(&mut self.renewed) {
            if let Some(known) = self.known.get_mut(&oid) {
                // The file is kept up to date where files are compared.
                *known = Known { filenode: known.filenode, ..now };
            }
        }
        self.observations.push(observation);
        self.overhead += looking.elapsed();
        Ok(())
    }

    async fn transaction_ended(&mut self, _: &mut Session, committed: bool) -> Result<(), ServerError> {
        if !committed {
            self.forget_undone(None).await?;
        }
        self.given_up.clear();
        for open in self.open.drain(..) {
            if let Some(lock) =
                self.observations.get_mut(open.observation).and_then(|observation| observation.locks.get_mut(open.lock))
            {
                let held = open.since.elapsed().saturating_sub(self.overhead - open.overhead);
                lock.held_ms = held.as_secs_f64() * 1000.0;
            }
        }
        self.held.clear();
        self.counters.clear();
        // What was handed over counts from nothing again.
        self.baseline_read = self.hands_over && self.baseline_read;
        Ok(())
    }
}

/// [`Observer::question`], for a database with this OID.
fn question(database: &str, hands_over: bool, tells_wal: bool) -> String {
    let position = if tells_wal { WAL_POSITION } else { "SELECT NULL" };
    let hand_over = if hands_over { HAND_OVER.replacen("SELECT", ",", 1) } else { String::new() };
    format!("{position}{hand_over}; {}", OWN_STATE.replace("$database", database))
}
