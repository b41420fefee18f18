//! An `UPDATE` in batches that commit: a `DO` block that goes through a table by its primary key, or by its pages.

use super::context::Context;
use crate::snapshot::catalog::{Catalog, Relation, RelationKind};
use crate::snapshot::plan::quote_identifier_if_needed;

/// Rows of one batch.
const ROWS: u32 = 10_000;
/// Pages of one batch where there is no key to go by: 8 MiB.
const PAGES: u32 = 1_024;
/// What the block calls what it counts with.
const VARIABLES: [&str; 6] = ["batch_from", "batch_to", "batch_page", "batch_pages", "batch_rows", "batch_changed"];
const QUOTE: &str = "$batches$";

/// What is to be done in batches, in the statement's own words.
pub(super) struct Update<'s> {
    /// The table's name.
    pub table: &'s str,
    /// With the name it has in the statement.
    pub target: &'s str,
    /// Behind `SET`.
    pub set: &'s str,
    /// Behind `WHERE`.
    pub condition: &'s str,
    /// A row that was changed no longer meets the condition: only then can pages be gone through until nothing is left,
    /// since rows move from page to page.
    pub ends: bool,
}

/// The block; none where no way goes through the table.
pub(super) fn batches(context: &Context<'_>, table: &Relation, update: &Update<'_>) -> Option<String> {
    let taken =
        |catalog: &Catalog| catalog.columns_of(table.oid).any(|column| VARIABLES.contains(&column.name.as_str()));
    if taken(context.before) || taken(context.after) || [update.set, update.condition].concat().contains(QUOTE) {
        return None;
    }
    match key(context, table) {
        Some(key) => Some(by_key(&key, update)),
        None if update.ends && context.before.version >= 140_000 && table.kind == RelationKind::Table => {
            (!context.has_heirs(table.oid)).then(|| by_page(update))
        }
        None => None,
    }
}

/// The one column of the primary key that is there before and after.
fn key(context: &Context<'_>, table: &Relation) -> Option<String> {
    let of = |catalog: &Catalog| {
        let mut keys = catalog.constraints.values();
        keys.find(|each| each.table == Some(table.oid) && each.kind == 'p').map(|each| each.columns.clone())
    };
    let columns = of(context.before)?;
    let [column] = columns.as_slice() else { return None };
    (of(context.after)? == columns).then(|| quote_identifier_if_needed(column))
}

fn by_key(key: &str, update: &Update<'_>) -> String {
    let Update { table, target, set, condition, .. } = update;
    format!(
        "DO {QUOTE}
#variable_conflict use_column
DECLARE
  batch_from {table}.{key}%TYPE := (SELECT {key} FROM {table} ORDER BY {key} LIMIT 1);
  batch_to {table}.{key}%TYPE;
BEGIN
  WHILE batch_from IS NOT NULL LOOP
    batch_to := (SELECT {key} FROM (SELECT {key} FROM {table} WHERE {key} >= batch_from ORDER BY {key} LIMIT {ROWS}) AS batch
                 ORDER BY {key} DESC LIMIT 1);
    UPDATE {target} SET {set} WHERE ({condition}) AND {key} BETWEEN batch_from AND batch_to;
    COMMIT;
    batch_from := (SELECT {key} FROM {table} WHERE {key} > batch_to ORDER BY {key} LIMIT 1);
  END LOOP;
END
{QUOTE}"
    )
}

fn by_page(update: &Update<'_>) -> String {
    let Update { table, target, set, condition, .. } = update;
    let literal = table.replace('\'', "''");
    format!(
        "DO {QUOTE}
#variable_conflict use_column
DECLARE
  batch_page bigint;
  batch_pages bigint;
  batch_rows bigint;
  batch_changed bigint;
BEGIN
  LOOP
    batch_changed := 0;
    batch_page := 0;
    batch_pages := pg_relation_size('{literal}'::regclass) / current_setting('block_size')::bigint;
    WHILE batch_page < batch_pages LOOP
      UPDATE {target} SET {set} WHERE ({condition})
        AND ctid >= format('(%s,0)', batch_page)::tid AND ctid < format('(%s,0)', batch_page + {PAGES})::tid;
      GET DIAGNOSTICS batch_rows = ROW_COUNT;
      COMMIT;
      batch_changed := batch_changed + batch_rows;
      batch_page := batch_page + {PAGES};
    END LOOP;
    EXIT WHEN batch_changed = 0;
  END LOOP;
END
{QUOTE}"
    )
}
