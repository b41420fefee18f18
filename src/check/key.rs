//! Integer keys that come near the end of their type: `schema/key-near-limit`. How far they are is what the sequence that
//! fills them has counted to on the real data.

use super::{Answer, Check, Finding, Kind, Severity, count, examples};
use crate::config::Thresholds;
use crate::observation::lock::LockMode;
use crate::rehearsal::{Rehearsal, cause};
use crate::snapshot::Oid;
use crate::snapshot::catalog::{Catalog, qualify_column};
use serde_json::json;
use std::collections::BTreeSet;

/// What this file finds.
pub(super) const CHECK: Check = Check { kinds: &[&KEY_NEAR_LIMIT], find };

const KEY_NEAR_LIMIT: Kind = Kind::new(
    "schema/key-near-limit",
    Severity::Warning,
    Answer::Applies,
    "
        The sequence behind an integer key has used at least `thresholds.key_share` (0.8) of the values that fit, on the real data:
        once they are used up, INSERT fails. Raised for tables the migration alters or writes to, and for a new foreign key whose
        own type is smaller than that of the key it refers to.
    ",
)
.with(examples!("schema/key-near-limit"));

/// A column and what it will have to hold.
struct Key {
    table: Oid,
    column: i16,
    /// Counted so far.
    used: u64,
    /// Largest value that fits.
    limit: u64,
}

/// Of the tables the migration touches, only: what was there and is left alone is nobody's news.
fn find(rehearsal: &Rehearsal, thresholds: &Thresholds) -> Vec<Finding> {
    let Some(after) = &rehearsal.right_after else { return Vec::new() };
    let catalog = &after.catalog;
    let touched = touched(rehearsal);
    let near = |key: &Key| key.used as f64 >= thresholds.key_share * key.limit as f64;
    let mut findings = Vec::new();
    for key in own_keys(catalog).chain(foreign_keys(rehearsal, catalog)).filter(near) {
        let (Some(table), Some(column)) =
            (catalog.relations.get(&key.table), catalog.columns.get(&(key.table, key.column)))
        else {
            continue;
        };
        if !touched.contains(&key.table) {
            continue;
        }
        let object = qualify_column(&table.qualified, &column.name);
        findings.push(
            Finding::measured(
                &KEY_NEAR_LIMIT,
                cause::statement_for(rehearsal, Some(key.table), &[&column.name]),
                vec![object.clone()],
                format!(
                    "{object} ({}) ends at {}, and its keys have come to {}: INSERT fails once they are used up",
                    column.type_name,
                    count(key.limit),
                    count(key.used)
                ),
                "make it bigint while there is time: a new column, filled in batches, then switched".to_owned(),
            )
            .with(json!({ "used": key.used, "limit": key.limit })),
        );
    }
    findings
}

/// Tables the migration altered or wrote to.
fn touched(rehearsal: &Rehearsal) -> BTreeSet<Oid> {
    rehearsal
        .observations
        .iter()
        .filter(|observation| rehearsal.committed.contains(&observation.statement))
        .flat_map(|observation| &observation.locks)
        .filter(|lock| lock.mode >= LockMode::RowExclusive)
        .map(|lock| lock.relation)
        .collect()
}

/// Largest value of an integer type.
fn largest(type_name: &str) -> Option<u64> {
    match type_name {
        "smallint" => Some(i16::MAX.unsigned_abs().into()),
        "integer" => Some(i32::MAX.unsigned_abs().into()),
        "bigint" => Some(i64::MAX.unsigned_abs()),
        _ => None,
    }
}

/// Columns filled by a sequence that counts upwards and does not begin again.
fn own_keys(catalog: &Catalog) -> impl Iterator<Item = Key> {
    catalog.sequences.values().filter(|sequence| sequence.increment > 0 && !sequence.cycle).filter_map(|sequence| {
        let (table, column) = sequence.owned_by?;
        let fits = largest(&catalog.columns.get(&(table, column))?.type_name)?;
        let used = u64::try_from(sequence.last_value).ok()?;
        Some(Key { table, column, used, limit: fits.min(u64::try_from(sequence.maximum).ok()?) })
    })
}

/// Columns of new foreign keys to one of those, which may have a smaller type.
fn foreign_keys(rehearsal: &Rehearsal, catalog: &Catalog) -> impl Iterator<Item = Key> {
    let before = rehearsal.before.as_ref().map(|before| &before.catalog);
    let new = move |oid: &Oid| before.is_some_and(|before| !before.constraints.contains_key(oid));
    let position = |table: Oid, name: &String| {
        let columns = catalog.columns.range((table, i16::MIN)..=(table, i16::MAX));
        columns.into_iter().find(|(_, column)| column.name == *name).map(|((_, number), _)| *number)
    };
    catalog.constraints.iter().filter(move |(oid, each)| each.kind == 'f' && new(oid)).filter_map(move |(_, each)| {
        let ([column], [referenced]) = (&*each.columns, &*each.referenced_columns) else { return None };
        let (table, parent) = (each.table?, each.references?);
        let (column, referenced) = (position(table, column)?, position(parent, referenced)?);
        let key = own_keys(catalog).find(|key| (key.table, key.column) == (parent, referenced))?;
        let limit = largest(&catalog.columns.get(&(table, column))?.type_name)?;
        (limit < key.limit).then_some(Key { table, column, used: key.used, limit })
    })
}
