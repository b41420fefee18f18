//! What was measured while one statement ran.

pub mod embedded;
pub mod lock;
pub mod traffic;

use crate::snapshot::Oid;
use lock::LockMode;

/// How a statement ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It ran.
    Ok,
    /// The server refused it.
    Failed(crate::engine::ServerError),
    /// An earlier statement failed, or the run was stopped.
    NotRun,
}

/// A lock one statement took, or had inherited from its transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedLock {
    /// The relation's OID at the time.
    pub relation: Oid,
    /// Its qualified name, from the map taken before the statement.
    pub name: String,
    /// Of an index the qualified name of its table, a partition's topmost parent; else `name`.
    pub table: String,
    /// Partitions of it that were locked in the same mode.
    pub partitions: u64,
    /// Only partitions were, the relation itself was not.
    pub partitions_only: bool,
    /// As in `pg_locks`.
    pub mode: LockMode,
    /// From the start of the statement that took it to the end of its transaction, in milliseconds: an upper bound.
    pub held_ms: f64,
    /// Time seen waiting for it, in milliseconds.
    pub waited_ms: f64,
    /// Read in the transaction itself or while it stood still at its commit; else seen by chance, by the sampling session.
    pub exact: bool,
    /// The relation did not exist before the run.
    pub created_in_run: bool,
    /// An index: whoever waits for it waits for its table.
    pub index: bool,
    /// A materialized view, or an index of one: everybody reads it and nobody writes to it.
    pub read_only: bool,
    /// The statement that took the lock first is this one.
    pub taken_here: bool,
}

impl ObservedLock {
    /// What an application waits for while it is held, in plain words: `reads`, `writes`, or nothing. Nobody knows yet
    /// what was created in the run.
    pub fn blocks(&self) -> Vec<&'static str> {
        let mut blocks = if self.created_in_run { Vec::new() } else { self.mode.blocks() };
        blocks.retain(|what| !self.read_only || *what == "reads");
        blocks
    }

    /// Whether applications wait while it is held. For an index as well: whoever plans a query of its table locks it.
    pub fn makes_wait(&self) -> bool {
        !self.blocks().is_empty()
    }
}

/// Work a statement did on one relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationWork {
    /// OID before the statement, or after it for a new relation.
    pub relation: Oid,
    /// Its qualified name.
    pub name: String,
    /// Qualified name of the table as locks are grouped: an index's table, a partition's topmost parent, else itself.
    pub table: String,
    /// OID of the table whose rows were worked on: for an index its table, else the relation itself.
    pub heap: Oid,
    /// Rows: scanned, or changed.
    pub rows: u64,
    /// The relation did not exist before the run.
    pub created_in_run: bool,
}

/// Everything measured about one statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// [`crate::migration::Statement::index`].
    pub statement: usize,
    /// How it ended.
    pub outcome: Outcome,
    /// Wall time of the statement, in milliseconds: a lower bound for production.
    pub duration_ms: f64,
    /// WAL written while it ran (`wal_level=replica`).
    pub wal_bytes: u64,
    /// From the command tag.
    pub rows_affected: u64,
    /// Locks on user relations.
    pub locks: Vec<ObservedLock>,
    /// Tables and materialized views given a new file because of a rewrite.
    pub rewritten: Vec<RelationWork>,
    /// Tables read from end to end.
    pub scanned: Vec<RelationWork>,
    /// Indexes built, new or again, with their table's rows.
    pub indexes_built: Vec<RelationWork>,
    /// Rows updated and deleted by table, where the statement ran inside a transaction.
    pub changed: Vec<RelationWork>,
    /// Rows inserted by table, a rewrite's own left out.
    pub inserted: Vec<RelationWork>,
    /// Rows deleted by table: part of `changed`; for `TRUNCATE` all rows the table had.
    pub deleted: Vec<RelationWork>,
    /// Dead row versions it left in tables: one for each row updated or deleted.
    pub dead_rows: u64,
    /// Bytes of temporary files there were at once, at the most; looked at from 50 ms on.
    pub temp_bytes: u64,
    /// How much larger the database was meanwhile than before it, at the most, in bytes, temporary files included;
    /// looked at from 50 ms on.
    pub peak_bytes: u64,
    /// It committed on its way, as procedures and DO blocks outside a transaction may.
    pub committed_within: bool,
    /// `lock_timeout` in effect before it, in milliseconds; 0 is none.
    pub lock_timeout_ms: u64,
    /// `statement_timeout` in effect before it, in milliseconds; 0 is none.
    pub statement_timeout_ms: u64,
    /// What only an embedded engine tells.
    pub embedded: Option<embedded::Embedded>,
}

#[cfg(test)]
impl Observation {
    /// A statement that ran and did nothing.
    pub(crate) fn of_nothing(statement: usize) -> Self {
        Self {
            statement,
            outcome: Outcome::Ok,
            duration_ms: 0.0,
            wal_bytes: 0,
            rows_affected: 0,
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
            lock_timeout_ms: 0,
            statement_timeout_ms: 0,
            embedded: None,
        }
    }
}
