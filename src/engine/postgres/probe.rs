//! What the observer asks servers, and how their answers are read.

use super::session::{Row, Rows};
use crate::migration::script::StatementKind;
use crate::snapshot::Oid;
use std::collections::BTreeMap;

/// Rows read and changed by a backend on one table or index, as its own counters say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Scans from end to end; of an index, scans.
    pub(super) seq_scan: u64,
    /// Rows these read; of an index, entries.
    pub(super) seq_read: u64,
    pub(super) inserted: u64,
    pub(super) updated: u64,
    pub(super) deleted: u64,
}

impl Counters {
    /// Outside a transaction the backend may hand its counters over and begin anew between two readings.
    pub(super) fn unless_flushed(self, now: Self) -> Self {
        let fell = now.seq_scan < self.seq_scan
            || now.seq_read < self.seq_read
            || now.inserted < self.inserted
            || now.updated < self.updated
            || now.deleted < self.deleted;
        if fell { Self::default() } else { self }
    }
}

/// What a statement did, as far as most statements need it read. Columns: oid, mode, what tells whether there is more to
/// ask, then the counters. `$database`: OID of the database. Nothing is joined to the lock table: to plan that takes longer
/// than to look relations up one by one.
pub(super) const OWN_STATE: &str = "
SELECT l.relation, l.mode,
       (SELECT ROW(c.relfilenode, c.relispartition, c.relnamespace::pg_catalog.regnamespace, c.relname)::text
        FROM pg_catalog.pg_class c WHERE c.oid = l.relation),
       pg_catalog.pg_stat_get_xact_numscans(l.relation), pg_catalog.pg_stat_get_xact_tuples_returned(l.relation),
       pg_catalog.pg_stat_get_xact_tuples_inserted(l.relation), pg_catalog.pg_stat_get_xact_tuples_updated(l.relation),
       pg_catalog.pg_stat_get_xact_tuples_deleted(l.relation)
FROM pg_catalog.pg_lock_status() l
WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND l.granted AND l.relation >= 16384
  AND l.database = $database";

/// How many columns [`OWN_STATE`] has, which one is its summary, and where its counters begin.
pub(super) const STATE_COLUMNS: usize = 8;
pub(super) const STATE_SUMMARY: usize = 2;
const STATE_COUNTERS: usize = 3;

/// What [`OWN_STATE`] says of a relation nothing happened to. Names that rows quote are told otherwise by the server: such
/// a relation is asked for once for nothing.
pub(super) fn summary(filenode: Oid, partition: bool, qualified: &str) -> String {
    format!("({filenode},{},{})", if partition { 't' } else { 'f' }, qualified.replacen('.', ",", 1))
}

/// Everything in the database. Columns: oid, qualified name, relkind, filenode, table of an index, parent of a partition,
/// is TOAST, is an empty table.
pub(super) const ALL_RELATIONS: &str = "
SELECT c.oid,
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
       c.relkind, c.relfilenode,
       (SELECT i.indrelid FROM pg_catalog.pg_index i WHERE i.indexrelid = c.oid),
       (SELECT h.inhparent FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid AND c.relispartition),
       n.nspname LIKE 'pg\\_toast%', c.relkind = 'r' AND pg_catalog.pg_relation_size(c.oid) = 0
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid >= 16384";

/// [`ALL_RELATIONS`], of these alone.
pub(super) fn some_relations(oids: impl Iterator<Item = Oid>) -> String {
    let oids: Vec<String> = oids.map(|oid| oid.to_string()).collect();
    format!("{ALL_RELATIONS} AND c.oid IN ({})", oids.join(", "))
}

/// Time limits in effect, a row each.
pub(super) const LIMITS: &str = "SHOW lock_timeout; SHOW statement_timeout; ";

/// Columns: oid, scans, rows or entries read by them, inserted, updated, deleted, of the backend's open transaction and
/// what it has not handed over of earlier ones.
pub(super) const OWN_COUNTERS: &str = "
SELECT * FROM (
  SELECT c.oid, pg_catalog.pg_stat_get_xact_numscans(c.oid) AS scans,
         pg_catalog.pg_stat_get_xact_tuples_returned(c.oid) AS returned,
         pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) AS inserted,
         pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) AS updated,
         pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) AS deleted
  FROM pg_catalog.pg_class c WHERE c.oid >= 16384 AND c.relkind IN ('r', 'm', 'i')) t
WHERE scans > 0 OR inserted > 0 OR updated > 0 OR deleted > 0";

const COUNTER_COLUMNS: usize = 6;

/// The same columns as every backend has handed them over.
pub(super) const SHARED_COUNTERS: &str = "
SELECT relid, seq_scan, seq_tup_read, n_tup_ins, n_tup_upd, n_tup_del
FROM pg_catalog.pg_stat_all_tables
WHERE relid >= 16384 AND schemaname NOT LIKE 'pg\\_toast%'
  AND (seq_scan > 0 OR n_tup_ins > 0 OR n_tup_upd > 0 OR n_tup_del > 0)
UNION ALL SELECT indexrelid, idx_scan, idx_tup_read, 0, 0, 0
FROM pg_catalog.pg_stat_all_indexes
WHERE indexrelid >= 16384 AND schemaname NOT LIKE 'pg\\_toast%' AND idx_scan > 0";

/// Where the WAL stands.
pub(super) const WAL_POSITION: &str = "SELECT pg_catalog.pg_current_wal_insert_lsn()";

/// From 15 on: what the backend counted is handed over when its transaction ends, so that the next one begins at nothing.
pub(super) const HAND_OVER: &str = "SELECT pg_catalog.pg_stat_force_next_flush()";

/// Columns: oid, how often it was vacuumed.
pub(super) const VACUUM_COUNTS: &str =
    "SELECT relid, vacuum_count FROM pg_catalog.pg_stat_all_tables WHERE relid >= 16384 AND vacuum_count > 0";

/// Statements that run bare and may read and change tables all the same.
pub(super) fn counts_outside(kind: &StatementKind) -> bool {
    matches!(kind, StatementKind::Do | StatementKind::Call)
}

pub(super) fn counters(rows: &Rows) -> BTreeMap<Oid, Counters> {
    let counters = |row: &Row| {
        let first = match row.len() {
            // What was dropped may still have counted something.
            STATE_COLUMNS if row[STATE_SUMMARY].is_none() => return None,
            STATE_COLUMNS => STATE_COUNTERS,
            COUNTER_COLUMNS => 1,
            _ => return None,
        };
        let counter = |column: usize| number(row, first + column).unwrap_or_default();
        let counters = Counters {
            seq_scan: counter(0),
            seq_read: counter(1),
            inserted: counter(2),
            updated: counter(3),
            deleted: counter(4),
        };
        Some((number(row, 0)?, counters))
    };
    rows.rows.iter().filter_map(counters).collect()
}

pub(super) fn number<T: std::str::FromStr>(row: &[Option<String>], column: usize) -> Option<T> {
    row.get(column)?.as_deref()?.parse().ok()
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
    use super::{milliseconds, position, summary};

    #[test]
    fn wal_positions_are_numbers_of_bytes() {
        assert_eq!(position("0/0"), 0);
        assert_eq!(position("2/1A"), (2 << 32) + 26);
    }

    #[test]
    fn a_relation_nothing_happened_to_is_expected_as_rows_are_printed() {
        assert_eq!(summary(16390, false, "public.orders"), "(16390,f,public,orders)");
        assert_eq!(summary(0, true, "shop.a"), "(0,t,shop,a)");
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
