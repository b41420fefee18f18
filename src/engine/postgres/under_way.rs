//! How far a statement of another session is, as far as the server tells: for people who wait.

use super::abilities::Ability;
use super::probe::number;
use super::session::{Row, Session};
use crate::engine::ServerError;
use crate::report::human;

/// Columns: what, phase, done, total.
const PROGRESS: &str = "
SELECT 'blocks', phase, blocks_done, blocks_total FROM pg_catalog.pg_stat_progress_create_index
WHERE pid = $pid AND blocks_total > 0
UNION ALL SELECT 'rows', phase, tuples_done, tuples_total FROM pg_catalog.pg_stat_progress_create_index
WHERE pid = $pid AND blocks_total = 0
UNION ALL SELECT 'blocks', phase, heap_blks_scanned, heap_blks_total FROM pg_catalog.pg_stat_progress_cluster
WHERE pid = $pid AND heap_blks_total > 0
UNION ALL SELECT 'rows', phase, heap_tuples_written, 0 FROM pg_catalog.pg_stat_progress_cluster
WHERE pid = $pid AND heap_blks_total = 0
UNION ALL SELECT 'blocks', phase, sample_blks_scanned, sample_blks_total FROM pg_catalog.pg_stat_progress_analyze
WHERE pid = $pid
UNION ALL SELECT 'blocks', phase, heap_blks_scanned, heap_blks_total FROM pg_catalog.pg_stat_progress_vacuum
WHERE pid = $pid";

/// The same for COPY, from 14 on.
const COPY: &str = "
UNION ALL SELECT 'rows', 'copying', tuples_processed, 0 FROM pg_catalog.pg_stat_progress_copy WHERE pid = $pid";

/// Rows that UPDATE and INSERT have come to are known to their own session alone. What they write makes the table grow
/// beyond the pages counted when it was settled, and a row is about as wide as those the statistics know. A table under an ACCESS
/// EXCLUSIVE lock is left alone: asking for its size would wait.
const GROWN: &str = "
UNION ALL (SELECT 'table', grown.name, (grown.bytes / grown.width)::bigint, grown.rows::bigint FROM (
  SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, c.reltuples AS rows,
         pg_catalog.pg_relation_size(c.oid) - c.relpages * b.size AS bytes,
         -- A row's header and line pointer, and its columns as wide as they are on average.
         (SELECT 28 + pg_catalog.sum(s.stawidth) FROM pg_catalog.pg_statistic s
          WHERE s.starelid = c.oid AND NOT s.stainherit) AS width
  FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_class c ON c.oid = l.relation AND c.relkind = 'r' AND c.relpages > 0 AND c.reltuples > 0
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_'
  CROSS JOIN (SELECT pg_catalog.current_setting('block_size')::bigint AS size) b
  WHERE l.pid = $pid AND l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND l.granted AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_locks x
    WHERE x.database = l.database AND x.relation = l.relation AND x.mode = 'AccessExclusiveLock')) grown
WHERE grown.bytes > 0 AND grown.width IS NOT NULL ORDER BY grown.bytes DESC LIMIT 1)";

/// What a statement writes anyhow, DELETE too.
const WRITTEN: &str = "
UNION ALL SELECT 'bytes', NULL,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '$since')::bigint, 0";

/// How far the statement of the backend `pid` is that began at the WAL position `since`: `building index: loading
/// tuples in tree, 120,000 of 500,000 rows; 12 MB of WAL`. `None` when there is nothing to tell.
///
/// # Errors
/// What the server says.
pub(super) async fn how_far(session: &mut Session, pid: i32, since: &str) -> Result<Option<String>, ServerError> {
    let knows_copy = session
        .query("SELECT pg_catalog.to_regclass('pg_catalog.pg_stat_progress_copy') IS NOT NULL")
        .await?
        .scalar()
        .is_some_and(|known| known == "t");
    let copy = if knows_copy { COPY } else { "" };
    let grown = if session.abilities.has(Ability::CatalogRead) { GROWN } else { "" };
    let query = format!("{PROGRESS}{copy}{grown}{WRITTEN}").replace("$pid", &pid.to_string()).replace("$since", since);
    Ok(render(&session.query(&query).await?.rows))
}

fn render(rows: &[Row]) -> Option<String> {
    let told: Vec<String> = rows.iter().filter_map(one).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

fn one(row: &Row) -> Option<String> {
    let text = |column: usize| row.get(column)?.as_deref();
    let (done, total) = (number::<u64>(row, 2)?, number::<u64>(row, 3).unwrap_or_default());
    let unit = text(0)?;
    if unit == "bytes" {
        return (done > 0).then(|| format!("{} of WAL", human::bytes(done)));
    }
    let phase = text(1)?;
    if unit == "table" {
        let (done, total) = (human::count(about(done)), human::count(total));
        return Some(format!("about {done} rows written to {phase}, which had {total}"));
    }
    Some(match (done, total) {
        (0, 0) => phase.to_owned(),
        (done, 0) => format!("{phase}, {} {unit}", human::count(done)),
        (done, total) => format!("{phase}, {} of {} {unit}", human::count(done), human::count(total)),
    })
}

/// An estimate in three digits.
fn about(rows: u64) -> u64 {
    let scale = 10u64.pow(rows.checked_ilog10().unwrap_or_default().saturating_sub(2));
    rows / scale * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(unit: &str, phase: Option<&str>, done: u64, total: u64) -> Row {
        vec![Some(unit.to_owned()), phase.map(str::to_owned), Some(done.to_string()), Some(total.to_string())]
    }

    #[test]
    fn what_the_server_tells_is_told_and_nothing_is_guessed() {
        assert_eq!(render(&[]), None);
        assert_eq!(render(&[row("bytes", None, 0, 0)]), None);
        assert_eq!(render(&[row("bytes", None, 12 << 20, 0)]).as_deref(), Some("12 MB of WAL"));
        let building = row("rows", Some("building index: loading tuples in tree"), 120_000, 500_000);
        assert_eq!(
            render(&[building, row("bytes", None, 2_048, 0)]).as_deref(),
            Some("building index: loading tuples in tree, 120,000 of 500,000 rows; 2.0 kB of WAL")
        );
        let table = row("table", Some("shop.orders"), 120_345, 500_000);
        assert_eq!(
            render(&[table, row("bytes", None, 2_048, 0)]).as_deref(),
            Some("about 120,000 rows written to shop.orders, which had 500,000; 2.0 kB of WAL")
        );
        let waiting = row("blocks", Some("waiting for writers before build"), 0, 0);
        assert_eq!(render(&[waiting]).as_deref(), Some("waiting for writers before build"));
    }
}
