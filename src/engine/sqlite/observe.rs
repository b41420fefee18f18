//! One observation for each statement of a migration.
//!
//! SQLite's write lock is one for the whole database. It is held from the statement that first writes to the end of its
//! transaction; while the file itself is written, which in WAL mode is nobody's business, readers wait as well.

use super::apply::{Ended, Ran, Watch};
use super::connection::{Asked, Asking};
use super::schema;
use crate::engine::ServerError;
use crate::migration::Statement;
use crate::observation::embedded::Embedded;
use crate::observation::lock::LockMode;
use crate::observation::{Observation, ObservedLock, Outcome, RelationWork};
use crate::progress::Activity;
use crate::snapshot::catalog::qualify;
use crate::snapshot::sqlite::catalog::MAIN;
use crate::snapshot::sqlite::identity::{Identities, Kind};
use crate::snapshot::sqlite::{Schema, is_internal, same_name};
use crate::snapshot::{Oid, RelationSize};
use rusqlite::Connection;
use rusqlite::hooks::Action;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Rows by table: inserted, updated, deleted.
type Changes = Arc<Mutex<BTreeMap<String, [u64; 3]>>>;

/// Watches a run.
#[derive(Debug)]
pub struct Observer {
    /// One for each statement that was sent.
    pub observations: Vec<Observation>,
    /// The numbers of everything, at the end of what was seen.
    pub identities: Identities,
    /// The schema at the end of what was seen.
    pub schema: Schema,
    /// After each statement that changed the schema and was not taken back: its index, the schema and the numbers.
    pub steps: Vec<(usize, Schema, Identities)>,
    activity: Activity,
    /// What was there before the run.
    old: BTreeSet<Oid>,
    sizes: BTreeMap<Oid, RelationSize>,
    asking: Asking,
    changes: Changes,
    schema_version: i64,
    foreign_keys: bool,
    legacy_alter_table: bool,
    total_changes: u64,
    /// Frames in the log, in WAL mode.
    frames: u64,
    /// Pages of the file.
    pages: u64,
    /// Since when the write lock is held, and which observation took it.
    writing: Option<(Instant, usize)>,
    /// The first observation of the open transaction.
    first: usize,
    /// What the schema and its numbers were when it began: a rollback brings them back.
    begun: Option<(Schema, Identities)>,
}

/// Pages SQLite keeps in memory before it writes to the file in the middle of a transaction, unless the application says
/// otherwise: `cache_size` is -2000, which is so many bytes.
const CACHE: u64 = 2000 << 10;

impl Observer {
    /// For a run on a copy whose schema and sizes are known.
    pub fn new(schema: Schema, identities: Identities, sizes: BTreeMap<Oid, RelationSize>, activity: Activity) -> Self {
        let old = numbers(&schema, &identities).collect();
        Self {
            observations: Vec::new(),
            identities,
            schema,
            steps: Vec::new(),
            activity,
            old,
            sizes,
            asking: Asking::default(),
            changes: Changes::default(),
            schema_version: 0,
            foreign_keys: false,
            legacy_alter_table: false,
            total_changes: 0,
            frames: 0,
            pages: 0,
            writing: None,
            first: 0,
            begun: None,
        }
    }

    fn in_wal_mode(&self) -> bool {
        self.schema.header.journal_mode.eq_ignore_ascii_case("wal")
    }

    fn work(&self, oid: Oid, name: &str, heap: Oid, table: &str, rows: u64) -> RelationWork {
        RelationWork {
            relation: oid,
            name: qualify(MAIN, name),
            table: qualify(MAIN, table),
            heap,
            rows,
            created_in_run: !self.old.contains(&heap),
        }
    }

    /// Work on one table, by its name now or before the statement.
    fn table_work(&self, before: &(Schema, Identities), table: &str, rows: u64) -> Option<RelationWork> {
        let oid = before.1.relation(table).or_else(|| self.identities.relation(table))?;
        Some(self.work(oid, table, oid, table, rows))
    }

    fn rows_of(&self, table: Oid) -> u64 {
        self.sizes.get(&table).and_then(|size| size.rows).map_or(0, |rows| rows.max(0.0) as u64)
    }

    /// Rows each table of the statement had changed: what the hook saw, and what only the total tells of the table the
    /// statement itself names: rows of tables without rowid, and all rows of a table at once.
    fn changed(
        &mut self,
        connection: &Connection,
        asked: &[Asked],
        before: &(Schema, Identities),
        observation: &mut Observation,
    ) {
        let mut seen = std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner));
        let counted: u64 = seen.values().flatten().sum();
        // A table that is dropped is emptied first where foreign keys are enforced; it is gone either way.
        seen.retain(|table, _| !is_internal(table) && self.schema.table(table).is_some());
        let total = connection.total_changes();
        let rest = total.saturating_sub(self.total_changes).saturating_sub(counted);
        self.total_changes = total;
        let named = asked.iter().find_map(|asked| match asked {
            Asked::Insert(table) => Some((table, 0)),
            Asked::Update(table) => Some((table, 1)),
            Asked::Delete(table) => Some((table, 2)),
            _ => None,
        });
        if let Some((table, what)) =
            named.filter(|(table, _)| rest > 0 && !is_internal(table) && self.schema.table(table).is_some())
        {
            seen.entry(table.clone()).or_default()[what] += rest;
        }
        for (table, [inserted, updated, deleted]) in seen {
            let into = [
                (&mut observation.inserted, inserted),
                (&mut observation.changed, updated + deleted),
                (&mut observation.deleted, deleted),
            ];
            for (list, rows) in into.into_iter().filter(|(_, rows)| *rows > 0) {
                list.extend(self.table_work(before, &table, rows));
            }
        }
    }

    /// Follows what the statement did to the schema; whether it did anything.
    fn follow(&mut self, connection: &Connection, embedded: &mut Embedded) -> Result<bool, ServerError> {
        let version: i64 = connection.query_row("PRAGMA main.schema_version", [], |row| row.get(0))?;
        if version == self.schema_version {
            return Ok(false);
        }
        self.schema_version = version;
        let after = schema::read(connection)?;
        let before = numbers(&self.schema, &self.identities).collect::<BTreeSet<Oid>>();
        let texts = texts_of(&self.schema, &self.identities);
        self.identities.follow(&self.schema, &after);
        self.schema = after;
        let now: BTreeSet<Oid> = numbers(&self.schema, &self.identities).collect();
        embedded.gone = before.difference(&now).copied().collect();
        embedded.made = now.difference(&before).copied().collect();
        let others = texts_of(&self.schema, &self.identities);
        embedded.rewritten_text = others
            .iter()
            .filter(|(oid, sql)| texts.get(oid).is_some_and(|was| was != *sql))
            .map(|(oid, _)| *oid)
            .collect();
        Ok(true)
    }

    /// Tables written anew, indexes built and tables read by this statement.
    fn heavy_work(
        &self,
        asked: &[Asked],
        before: &(Schema, Identities),
        embedded: &Embedded,
        observation: &mut Observation,
    ) {
        for each in asked {
            match each {
                Asked::Alter(table) => {
                    let Some(oid) = before.1.relation(table) else { continue };
                    let rows = self.rows_of(oid);
                    let work = self.work(oid, table, oid, table, rows);
                    let (was, now) = (before.0.table(table), self.schema.table(table));
                    let fewer = matches!((was, now), (Some(was), Some(now)) if now.columns.len() < was.columns.len());
                    // A column goes from every row; one that comes with a rule is held against every row.
                    if fewer {
                        observation.rewritten.push(work);
                    } else if rows > 0 && embedded.vm_steps >= rows {
                        observation.scanned.push(work);
                    }
                }
                Asked::CreateIndex { index, table } => observation.indexes_built.extend(self.built(index, table)),
                Asked::Reindex(index) => {
                    let table = self.schema.indexes.values().find(|each| same_name(&each.name, index));
                    observation.indexes_built.extend(table.and_then(|each| self.built(index, &each.table)));
                }
                Asked::Vacuum => {
                    for table in self.schema.tables.values() {
                        if let Some(oid) = self.identities.relation(&table.name) {
                            let work = self.work(oid, &table.name, oid, &table.name, self.rows_of(oid));
                            observation.rewritten.push(work);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn built(&self, index: &str, table: &str) -> Option<RelationWork> {
        let (oid, heap) = (self.identities.get(Kind::Index, index)?, self.identities.relation(table)?);
        Some(self.work(oid, index, heap, table, self.rows_of(heap)))
    }

    /// A lock on the whole database.
    fn lock(mode: LockMode, held: Duration, taken_here: bool) -> ObservedLock {
        ObservedLock {
            relation: 0,
            name: MAIN.to_owned(),
            table: MAIN.to_owned(),
            partitions: 0,
            partitions_only: false,
            mode,
            held_ms: held.as_secs_f64() * 1e3,
            waited_ms: 0.0,
            exact: true,
            created_in_run: false,
            index: false,
            read_only: false,
            taken_here,
        }
    }

    /// Frames in the write-ahead log, or 0.
    fn frames_now(&self, connection: &Connection) -> Result<u64, ServerError> {
        if !self.in_wal_mode() {
            return Ok(0);
        }
        // It tells, and checkpoints nothing.
        let frames: i64 = connection.query_row("PRAGMA main.wal_checkpoint(NOOP)", [], |row| row.get(1))?;
        Ok(frames.max(0).unsigned_abs())
    }
}

/// Numbers of everything in a schema.
fn numbers<'a>(schema: &'a Schema, identities: &'a Identities) -> impl Iterator<Item = Oid> + 'a {
    let relations = schema.tables.keys().chain(schema.views.keys()).map(|name| (Kind::Relation, name));
    let indexes = schema.indexes.keys().map(|name| (Kind::Index, name));
    let triggers = schema.triggers.keys().map(|name| (Kind::Trigger, name));
    relations.chain(indexes).chain(triggers).filter_map(|(kind, name)| identities.get(kind, name))
}

/// The text of every object, by its number.
fn texts_of(schema: &Schema, identities: &Identities) -> BTreeMap<Oid, String> {
    let tables = schema.tables.values().map(|each| (Kind::Relation, &each.name, Some(&each.sql)));
    let views = schema.views.values().map(|each| (Kind::Relation, &each.name, Some(&each.sql)));
    let indexes = schema.indexes.values().map(|each| (Kind::Index, &each.name, each.sql.as_ref()));
    let triggers = schema.triggers.values().map(|each| (Kind::Trigger, &each.name, Some(&each.sql)));
    let all = tables.chain(views).chain(indexes).chain(triggers);
    all.filter_map(|(kind, name, sql)| Some((identities.get(kind, name)?, sql?.clone()))).collect()
}

impl Watch for Observer {
    fn connected(&mut self, connection: &mut Connection, asking: &Asking) -> Result<(), ServerError> {
        self.asking = asking.clone();
        let changes = Arc::clone(&self.changes);
        connection.update_hook(Some(move |action: Action, _database: &str, table: &str, _rowid: i64| {
            let what = match action {
                Action::SQLITE_INSERT => 0,
                Action::SQLITE_UPDATE => 1,
                Action::SQLITE_DELETE => 2,
                _ => return,
            };
            let mut all = changes.lock().unwrap_or_else(PoisonError::into_inner);
            match all.get_mut(table) {
                Some(rows) => rows[what] += 1,
                None => all.entry(table.to_owned()).or_default()[what] += 1,
            }
        }))?;
        self.total_changes = connection.total_changes();
        self.schema_version = connection.query_row("PRAGMA main.schema_version", [], |row| row.get(0))?;
        self.frames = self.frames_now(connection)?;
        self.pages = connection.query_row("PRAGMA main.page_count", [], |row| row.get::<_, i64>(0))?.unsigned_abs();
        Ok(())
    }

    fn before(&mut self, connection: &Connection, statement: &Statement) -> Result<(), ServerError> {
        self.activity.begin(statement.index, statement.place());
        self.foreign_keys = connection.query_row("PRAGMA foreign_keys", [], |row| row.get(0))?;
        self.legacy_alter_table = connection.query_row("PRAGMA legacy_alter_table", [], |row| row.get(0))?;
        // What the runner noted down in between is not the statement's.
        self.total_changes = connection.total_changes();
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.asking.take();
        if connection.is_autocommit() {
            self.first = self.observations.len();
            self.begun = Some((self.schema.clone(), self.identities.clone()));
        }
        Ok(())
    }

    fn after(&mut self, connection: &Connection, statement: &Statement, ran: &Ran<'_>) -> Result<(), ServerError> {
        self.activity.end();
        let asked = self.asking.take();
        let mut embedded = Embedded {
            in_transaction: ran.in_transaction,
            foreign_keys: self.foreign_keys,
            legacy_alter_table: self.legacy_alter_table,
            vm_steps: ran.vm_steps,
            pragma: asked.iter().find_map(|each| match each {
                Asked::Pragma(name, value) => Some((name.clone(), value.clone())),
                _ => None,
            }),
            ..Embedded::default()
        };
        let outcome = match ran.result {
            Ok(_) => Outcome::Ok,
            Err(error) => Outcome::Failed(error.clone()),
        };
        let mut observation = Observation {
            statement: statement.index,
            outcome,
            duration_ms: ran.duration.as_secs_f64() * 1e3,
            wal_bytes: 0,
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
            // How long a runner waits for the lock is its driver's busy timeout, which is never for ever.
            lock_timeout_ms: 1,
            statement_timeout_ms: 0,
            embedded: None,
        };
        if ran.result.is_ok() {
            let before = (self.schema.clone(), self.identities.clone());
            if self.follow(connection, &mut embedded)? {
                self.steps.push((statement.index, self.schema.clone(), self.identities.clone()));
            }
            self.changed(connection, &asked, &before, &mut observation);
            self.heavy_work(&asked, &before, &embedded, &mut observation);
        }
        if ran.writes {
            let at = self.observations.len();
            self.writing.get_or_insert((ran.started, at));
        }
        observation.embedded = Some(embedded);
        self.observations.push(observation);
        Ok(())
    }

    fn transaction_ended(&mut self, connection: &Connection, ended: Ended) -> Result<(), ServerError> {
        let wal = self.in_wal_mode();
        let frames = self.frames_now(connection)?;
        let in_file: u64 =
            connection.query_row("PRAGMA main.page_count", [], |row| row.get::<_, i64>(0))?.unsigned_abs();
        let page_size = self.schema.header.page_size.max(1);
        let pages = match (wal, frames >= self.frames) {
            (true, true) => frames - self.frames,
            // The log has begun anew.
            (true, false) => frames,
            // The journal holds what pages were before, and of new ones nothing.
            (false, _) => ended.journal_bytes / (page_size + 8) + in_file.saturating_sub(self.pages),
        };
        (self.frames, self.pages) = (frames, in_file);
        // A PRAGMA that might have written and has not took no lock.
        let writing = self.writing.take().filter(|_| ended.wrote || !ended.committed);
        if let Some((since, taker)) = writing {
            let held = since.elapsed();
            for (at, observation) in self.observations.iter_mut().enumerate().skip(taker) {
                observation.locks = vec![Self::lock(LockMode::Reserved, held, at == taker)];
            }
            let spilled = pages * page_size > CACHE;
            if let Some(last) = self.observations.last_mut() {
                if ended.committed && !wal {
                    let held = if spilled { held } else { ended.committing };
                    last.locks.push(Self::lock(LockMode::FileExclusive, held, true));
                }
                if let Some(embedded) = &mut last.embedded {
                    embedded.pages_written = pages;
                }
                last.wal_bytes = pages * page_size;
            }
        }
        if !ended.committed
            && let Some((schema, identities)) = self.begun.take()
        {
            let first = self.observations.get(self.first).map_or(usize::MAX, |observation| observation.statement);
            self.steps.retain(|(statement, ..)| *statement < first);
            (self.schema, self.identities) = (schema, identities);
            self.schema_version = connection.query_row("PRAGMA main.schema_version", [], |row| row.get(0))?;
        }
        Ok(())
    }
}
