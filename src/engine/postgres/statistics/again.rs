//! Statistics put back over newer ones, where the rows are those from before.

use super::{ColumnStatistics, STATISTICS, SavedStatistics, Target, column_statistics, is_about_values, put};
use crate::engine::ServerError;
use crate::engine::postgres::session::{Row, Session};
use crate::engine::postgres::settle::list;
use crate::snapshot::Oid;
use std::collections::BTreeSet;

/// Gives columns of `touched` tables the statistics they had before, whatever was sampled since: told by name, and only
/// where the column has some now. Those of elements and ranges stay as they are.
///
/// # Errors
/// What the server says, but for values that are none of the column's type.
pub async fn put_back(
    session: &mut Session,
    touched: &BTreeSet<Oid>,
    saved: &SavedStatistics,
) -> Result<(), ServerError> {
    if touched.is_empty() || saved.unreadable().is_some() {
        return Ok(());
    }
    let now = session
        .query(&format!(
            "SELECT c.oid, n.nspname, c.relname, a.attnum, a.attname, s.stainherit, a.atttypid, {STATISTICS} \
             FROM pg_catalog.pg_statistic s \
             JOIN pg_catalog.pg_class c ON c.oid = s.starelid AND c.relkind IN ('r', 'm', 'p') \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_catalog.pg_attribute a ON a.attrelid = s.starelid AND a.attnum = s.staattnum \
             WHERE c.oid IN ({}) ORDER BY 1, 4, 6",
            list(touched)
        ))
        .await?;
    for (target, inherited, type_oid, is) in now.rows.iter().filter_map(read) {
        let Some(was) = saved.of(&target, inherited).filter(|was| **was != is) else { continue };
        if !was.is_movable() || !is.is_movable() {
            continue;
        }
        match put(session, &target, inherited, &type_oid, was, &was.slots).await {
            Err(error) if !is_about_values(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn read(row: &Row) -> Option<(Target, bool, String, ColumnStatistics)> {
    let [Some(relation), Some(schema), Some(name), Some(number), column, Some(inherited), Some(type_oid), rest @ ..] =
        row.as_slice()
    else {
        return None;
    };
    let target = Target {
        relation: relation.parse().ok()?,
        schema: schema.clone(),
        name: name.clone(),
        number: number.parse().ok()?,
        column: column.clone(),
    };
    Some((target, inherited == "t", type_oid.clone(), column_statistics(rest)?))
}
