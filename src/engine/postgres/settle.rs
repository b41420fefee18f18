//! Brings the copy to the state production settles into: VACUUM of touched tables, statistics for columns that have
//! none. Columns that still have statistics are never analysed again: sampling alone would change plans.

use super::session::{Session, quote_identifier};
use crate::engine::ServerError;
use crate::snapshot::Oid;
use std::collections::{BTreeMap, BTreeSet};

/// Tables below which, at any depth, stands a foreign table: ANALYZE of such a parent samples its heirs, and no copy
/// reaches those.
pub const PARENTS_OF_FOREIGN_TABLES: &str = "
WITH RECURSIVE above(oid) AS (
    SELECT h.inhparent FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid
    WHERE c.relkind = 'f'
    UNION SELECT h.inhparent FROM pg_catalog.pg_inherits h JOIN above a ON a.oid = h.inhrelid)
SELECT oid FROM above";

/// Tables in one statement.
const AT_ONCE: usize = 500;

/// Settles `touched` tables (relations that are gone, or have no rows to keep, are left out). Returns the names of the
/// tables it settled.
///
/// # Errors
/// What the server says to VACUUM or ANALYZE.
pub async fn settle(session: &mut Session, touched: &BTreeSet<Oid>) -> Result<Vec<String>, ServerError> {
    if touched.is_empty() {
        return Ok(Vec::new());
    }
    let oids = touched.iter().map(Oid::to_string).collect::<Vec<_>>().join(",");
    let missing = session
        .query(&format!(
            "SELECT c.oid, n.nspname, c.relname, a.attname, c.relkind \
             FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_statistic s \
                               WHERE s.starelid = c.oid AND s.staattnum = a.attnum) \
               AND c.oid NOT IN ({PARENTS_OF_FOREIGN_TABLES}) \
             WHERE c.oid IN ({oids}) AND c.relkind IN ('r', 'm', 'p') \
             ORDER BY c.oid, a.attnum"
        ))
        .await?;
    let mut tables: BTreeMap<String, (bool, Vec<String>)> = BTreeMap::new();
    for row in &missing.rows {
        let (Some(Some(schema)), Some(Some(name))) = (row.get(1), row.get(2)) else { continue };
        let table = format!("{}.{}", quote_identifier(schema), quote_identifier(name));
        // VACUUM of a partitioned table is VACUUM of its partitions, which are here themselves.
        let stores = row.get(4).cloned().flatten().as_deref() != Some("p");
        let (_, columns) = tables.entry(table).or_insert_with(|| (stores, Vec::new()));
        columns.extend(row.get(3).cloned().flatten().map(|column| quote_identifier(&column)));
    }
    let analysed: Vec<String> = tables
        .iter()
        .filter(|(_, (_, columns))| !columns.is_empty())
        .map(|(table, (_, columns))| format!("{table} ({})", columns.join(", ")))
        .collect();
    let vacuumed: Vec<&str> =
        tables.iter().filter(|(_, (stores, _))| *stores).map(|(table, _)| table.as_str()).collect();
    // After ANALYZE, so that the exact row count is the one that stays. Many at once, as each VACUUM reads all of
    // pg_class at its end.
    for some in analysed.chunks(AT_ONCE) {
        session.execute(&format!("ANALYZE {}", some.join(", "))).await?;
    }
    for some in vacuumed.chunks(AT_ONCE) {
        session.execute(&format!("VACUUM {}", some.join(", "))).await?;
    }
    Ok(tables.into_keys().collect())
}
