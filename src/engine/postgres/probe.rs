//! What the observer asks servers, and how their answers are read.

use super::session::Rows;
use crate::migration::script::StatementKind;
use crate::snapshot::Oid;
use crate::snapshot::catalog::RelationKind;
use std::collections::BTreeMap;

/// Rows read and changed by a backend on one table, as its own counters say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) seq_scan: u64,
    pub(super) seq_read: u64,
    /// Entries read from the table's indexes.
    pub(super) index_read: u64,
    pub(super) inserted: u64,
    pub(super) updated: u64,
    pub(super) deleted: u64,
}

impl Counters {
    /// Outside a transaction the backend may hand its counters over and begin anew between two readings.
    pub(super) fn unless_flushed(self, now: Self) -> Self {
        let fell = now.seq_scan < self.seq_scan
            || now.index_read < self.index_read
            || now.inserted < self.inserted
            || now.updated < self.updated
            || now.deleted < self.deleted;
        if fell { Self::default() } else { self }
    }
}

/// Columns: oid, mode, qualified name, relkind, filenode, table of an index, parent of a partition, is TOAST, is an empty
/// table.
pub(super) const OWN_LOCKS: &str = "
SELECT l.relation, l.mode,
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
       c.relkind, c.relfilenode,
       (SELECT i.indrelid FROM pg_catalog.pg_index i WHERE i.indexrelid = c.oid),
       (SELECT h.inhparent FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid AND c.relispartition),
       n.nspname LIKE 'pg\\_toast%', c.relkind = 'r' AND pg_catalog.pg_relation_size(c.oid) = 0
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND l.granted AND l.relation >= 16384
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
ORDER BY l.relation, l.mode";

/// The same columns for everything in the database, without locks.
pub(super) const ALL_RELATIONS: &str = "
SELECT c.oid, NULL,
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
       c.relkind, c.relfilenode,
       (SELECT i.indrelid FROM pg_catalog.pg_index i WHERE i.indexrelid = c.oid),
       (SELECT h.inhparent FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid AND c.relispartition),
       n.nspname LIKE 'pg\\_toast%', c.relkind = 'r' AND pg_catalog.pg_relation_size(c.oid) = 0
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid >= 16384";

/// Time limits in effect, a row each.
pub(super) const LIMITS: &str = "SHOW lock_timeout; SHOW statement_timeout";

/// How many columns [`OWN_LOCKS`] has: more than [`OWN_COUNTERS`].
pub(super) const LOCK_COLUMNS: usize = 9;
const COUNTER_COLUMNS: usize = 7;

/// Columns: oid, seq_scan, seq_tup_read, inserted, updated, deleted, entries read from indexes, of the backend's open
/// transaction. What `pg_stat_xact_all_tables` shows, without its joins.
pub(super) const OWN_COUNTERS: &str = "
SELECT t.oid, t.scans, pg_catalog.pg_stat_get_xact_tuples_returned(t.oid), t.inserted, t.updated, t.deleted, t.entries
FROM (SELECT c.oid, pg_catalog.pg_stat_get_xact_numscans(c.oid) AS scans,
        pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) AS inserted,
        pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) AS updated,
        pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) AS deleted,
        CASE WHEN c.relhasindex THEN (
          SELECT pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_returned(i.indexrelid))
          FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid) END AS entries
      FROM pg_catalog.pg_class c WHERE c.oid >= 16384 AND c.relkind IN ('r', 'm')) t
WHERE t.scans > 0 OR t.inserted > 0 OR t.updated > 0 OR t.deleted > 0 OR t.entries > 0";

/// The same columns as every backend has handed them over.
pub(super) const SHARED_COUNTERS: &str = "
SELECT relid, seq_scan, seq_tup_read, n_tup_ins, n_tup_upd, n_tup_del,
  (SELECT sum(i.idx_tup_read) FROM pg_catalog.pg_stat_all_indexes i WHERE i.relid = t.relid)
FROM pg_catalog.pg_stat_all_tables t
WHERE relid >= 16384 AND schemaname NOT LIKE 'pg\\_toast%'
  AND (seq_scan > 0 OR idx_scan > 0 OR n_tup_ins > 0 OR n_tup_upd > 0 OR n_tup_del > 0)";

/// Columns: oid, how often it was vacuumed.
pub(super) const VACUUM_COUNTS: &str =
    "SELECT relid, vacuum_count FROM pg_catalog.pg_stat_all_tables WHERE relid >= 16384 AND vacuum_count > 0";

/// Statements that run bare and may read and change tables all the same.
pub(super) fn counts_outside(kind: &StatementKind) -> bool {
    matches!(kind, StatementKind::Do | StatementKind::Call)
}

pub(super) fn counters(rows: &Rows) -> BTreeMap<Oid, Counters> {
    rows.rows
        .iter()
        .filter(|row| row.len() == COUNTER_COLUMNS)
        .filter_map(|row| {
            let counters = Counters {
                seq_scan: number(row, 1).unwrap_or_default(),
                seq_read: number(row, 2).unwrap_or_default(),
                inserted: number(row, 3).unwrap_or_default(),
                updated: number(row, 4).unwrap_or_default(),
                deleted: number(row, 5).unwrap_or_default(),
                index_read: number(row, 6).unwrap_or_default(),
            };
            Some((number(row, 0)?, counters))
        })
        .collect()
}

pub(super) fn number<T: std::str::FromStr>(row: &[Option<String>], column: usize) -> Option<T> {
    row.get(column)?.as_deref()?.parse().ok()
}

pub(super) fn relkind(kind: RelationKind) -> char {
    match kind {
        RelationKind::Table => 'r',
        RelationKind::PartitionedTable => 'p',
        RelationKind::Index => 'i',
        RelationKind::PartitionedIndex => 'I',
        RelationKind::Sequence => 'S',
        RelationKind::View => 'v',
        RelationKind::MaterializedView => 'm',
        RelationKind::CompositeType => 'c',
        RelationKind::ForeignTable => 'f',
        RelationKind::ToastTable => 't',
    }
}

/// A WAL position as a number of bytes.
pub(super) fn position(lsn: &str) -> u64 {
    let hex = |text: &str| u64::from_str_radix(text, 16).unwrap_or_default();
    lsn.split_once('/').map_or(0, |(high, low)| (hex(high) << 32) + hex(low))
}

/// Milliseconds of a time setting as `SHOW` prints it: `0`, `500ms`, `5s`, `2min`, `1h`, `1d`.
pub(super) fn milliseconds(setting: &str) -> u64 {
    let digits = setting.bytes().take_while(u8::is_ascii_digit).count();
    let value: u64 = setting[..digits].parse().unwrap_or(0);
    value
        * match &setting[digits..] {
            "s" => 1_000,
            "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => 1,
        }
}

#[cfg(test)]
mod tests {
    use super::{milliseconds, position};

    #[test]
    fn wal_positions_are_numbers_of_bytes() {
        assert_eq!(position("0/0"), 0);
        assert_eq!(position("2/1A"), (2 << 32) + 26);
    }

    #[test]
    fn time_settings_are_read_in_every_unit_show_prints() {
        assert_eq!(milliseconds("0"), 0);
        assert_eq!(milliseconds("500ms"), 500);
        assert_eq!(milliseconds("5s"), 5_000);
        assert_eq!(milliseconds("2min"), 120_000);
        assert_eq!(milliseconds("1h"), 3_600_000);
        assert_eq!(milliseconds("1d"), 86_400_000);
    }
}
