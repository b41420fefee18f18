//! What the rows of a backup share with other rows: references, and values that only one of them may hold.

use super::super::names::identifier;
use super::super::planner::Plan;
use super::{Key, Save, SaveKind, SavedColumn};
use crate::snapshot::Oid;
use std::collections::{BTreeMap, BTreeSet};

/// Other rows that refer to a row `t` of this table.
pub(super) fn referrers(plan: &Plan<'_>, table: Oid) -> Vec<String> {
    let foreign_keys = plan.before.constraints.values().filter(|found| found.references == Some(table));
    foreign_keys
        .filter_map(|found| Some((found, found.table?)))
        .map(|(found, from)| {
            let mut pairs: Vec<String> = found
                .columns
                .iter()
                .zip(&found.referenced_columns)
                .map(|(own, other)| format!("r.{} = t.{}", identifier(own), identifier(other)))
                .collect();
            if from == table {
                pairs.push("(r.tableoid, r.ctid) <> (t.tableoid, t.ctid)".to_owned());
            }
            format!("SELECT FROM {} AS r WHERE {}", plan.before.relation_name(from), pairs.join(" AND "))
        })
        .collect()
}

/// Whether rows of a table may refer to others of it.
pub(super) fn refers_to_itself(plan: &Plan<'_>, table: Oid) -> bool {
    plan.before.constraints.values().any(|found| found.table == Some(table) && found.references == Some(table))
}

/// What refers to rows goes after them where rows come back, and before them where rows are taken out; of those, what came
/// last goes first.
pub(super) fn by_reference(plan: &Plan<'_>, found: &mut [Save]) {
    let mut depth: BTreeMap<Oid, usize> = BTreeMap::new();
    let references: Vec<(Oid, Oid)> = plan
        .before
        .constraints
        .values()
        .filter_map(|constraint| Some((constraint.table?, constraint.references?)))
        .filter(|(from, to)| from != to)
        .collect();
    // Longer chains than there are tables go round in a circle.
    for _ in 0..found.len().min(64) {
        for (from, to) in &references {
            let below = depth.get(to).copied().unwrap_or(0) + 1;
            let own = depth.entry(*from).or_default();
            *own = (*own).max(below.min(64));
        }
    }
    found.sort_by_key(|save| {
        let depth = depth.get(&save.table).copied().unwrap_or(0);
        match &save.kind {
            SaveKind::Added(added) => (0, 64 - depth, usize::MAX - added.lookups.place),
            _ => (1, depth, 0),
        }
    });
}

/// Whether rows that come back share something with others: a unique value beside the key they are found by, or a
/// reference.
pub(super) fn contended(plan: &Plan<'_>, save: &Save) -> bool {
    let (keys, deletes, assigned): (&[SavedColumn], bool, &[String]) = match &save.kind {
        SaveKind::Written(written) => (&written.keys, written.deletes, &written.assigned),
        SaveKind::Rows { key: Key::Columns(keys), deletes, .. } => (keys, *deletes, &[]),
        _ => return false,
    };
    let saved = |name: &String| match &save.kind {
        SaveKind::Written(_) if !deletes => assigned.contains(name),
        _ => save.columns.iter().any(|column| column.name == *name),
    };
    let keyed: BTreeSet<&String> = keys.iter().map(|key| &key.name).collect();
    let moved = keys.iter().any(|key| assigned.contains(&key.name));
    let exclusive = plan.before.indexes.values().filter(|index| index.table == save.table).any(|index| {
        let columns: BTreeSet<&String> = index.keys.iter().take(index.key_count).collect();
        let detail = plan.before.index_details.get(&index.oid);
        let others = detail.is_none_or(|detail| detail.has_expressions) || columns.iter().any(|name| saved(name));
        index.unique && (moved || (columns != keyed && (deletes || others)))
    });
    let constrained = plan.before.constraints.values().filter(|found| found.table == Some(save.table));
    let refers = constrained
        .filter(|found| matches!(found.kind, 'f' | 'x'))
        .any(|found| deletes || found.columns.iter().any(saved) || found.kind == 'x');
    exclusive || refers || moved
}
