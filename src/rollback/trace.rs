//! What shows in a database that the migration ran there: `prepare.sql` refuses where it did, `rollback.sql` where it
//! did not.

use super::names::{column, identifier};
use super::planner::{Plan, TablePlan};
use crate::engine::postgres::session::quote_literal;
use crate::snapshot::catalog::{Catalog, Relation, RelationKind};
use crate::snapshot::object::{Class, TypeKind};
use std::collections::{BTreeMap, BTreeSet};

/// One trace is enough to know, and a script should stay readable.
const MOST: usize = 6;

/// Conditions in SQL, each true after the migration and false before it; whatever the `search_path`.
pub(super) fn traces(plan: &Plan<'_>) -> Vec<String> {
    let mut found = relations(plan);
    for table in plan.tables.values() {
        columns(plan, table, &mut found);
    }
    constraints(plan, &mut found);
    types(plan, &mut found);
    found.truncate(MOST);
    found
}

fn regclass(name: &str) -> String {
    format!("pg_catalog.to_regclass({})", quote_literal(name))
}

/// Names of relations that came or went.
fn relations(plan: &Plan<'_>) -> Vec<String> {
    let names = |catalog: &Catalog| -> BTreeSet<String> {
        catalog
            .relations
            .values()
            .filter(|relation| {
                relation.extension.is_none()
                    && !matches!(relation.kind, RelationKind::ToastTable | RelationKind::CompositeType)
            })
            .map(|relation| relation.qualified.clone())
            .collect()
    };
    let (old, new) = (names(plan.before), names(plan.after));
    let came = (&new - &old).into_iter().map(|name| format!("{} IS NOT NULL", regclass(&name)));
    let went = (&old - &new).into_iter().map(|name| format!("{} IS NULL", regclass(&name)));
    came.chain(went).collect()
}

/// Columns of surviving tables that came, went, or changed. A table under another name is a trace by itself.
fn columns(plan: &Plan<'_>, table: &TablePlan, found: &mut Vec<String>) {
    let name = plan.before.relation_name(table.before);
    if plan.after.relation_name(table.after) != name {
        return;
    }
    let names = |catalog: &Catalog, oid| -> BTreeSet<String> {
        catalog.columns_of(oid).map(|column| column.name.clone()).collect()
    };
    let attribute = |column: &str, and: &str| {
        format!(
            "EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = {} AND attname = {} AND NOT attisdropped{and})",
            regclass(&name),
            quote_literal(column)
        )
    };
    let (old, new) = (names(plan.before, table.before), names(plan.after, table.after));
    found.extend((&new - &old).iter().map(|column| attribute(column, "")));
    found.extend((&old - &new).iter().map(|column| format!("NOT {}", attribute(column, ""))));
    for column in plan.before.columns_of(table.before) {
        let Some(now) = plan.after.columns_of(table.after).find(|now| now.name == column.name) else { continue };
        // Types in other schemas are spelled as the search path has it.
        if now.type_name != column.type_name && !now.type_name.contains('.') {
            let is = format!(" AND pg_catalog.format_type(atttypid, atttypmod) = {}", quote_literal(&now.type_name));
            found.push(attribute(&column.name, &is));
        } else if now.not_null != column.not_null {
            found.push(attribute(&column.name, if now.not_null { " AND attnotnull" } else { " AND NOT attnotnull" }));
        }
    }
}

/// Constraints of surviving tables. Those of `NOT NULL` are their columns'.
fn constraints(plan: &Plan<'_>, found: &mut Vec<String>) {
    let named = |catalog: &Catalog| -> BTreeSet<(String, String)> {
        catalog
            .constraints
            .values()
            .filter(|constraint| constraint.kind != 'n')
            .filter_map(|constraint| Some((catalog.relation_name(constraint.table?), constraint.name.clone())))
            .collect()
    };
    let tables = |catalog: &Catalog| -> BTreeSet<String> {
        catalog.relations.values().map(|relation| relation.qualified.clone()).collect()
    };
    let (old, new) = (named(plan.before), named(plan.after));
    let (tables_before, tables_after) = (tables(plan.before), tables(plan.after));
    let there = |(table, name): &(String, String)| {
        format!(
            "EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = {} AND conname = {})",
            regclass(table),
            quote_literal(name)
        )
    };
    found.extend((&new - &old).iter().filter(|(table, _)| tables_before.contains(table)).map(there));
    found.extend(
        (&old - &new).iter().filter(|(table, _)| tables_after.contains(table)).map(|one| format!("NOT {}", there(one))),
    );
}

/// Types that came or went, and labels of enumerations.
fn types(plan: &Plan<'_>, found: &mut Vec<String>) {
    let names = |catalog: &Catalog| -> BTreeSet<String> {
        catalog.types.values().map(|found| found.qualified.clone()).collect()
    };
    let (old, new) = (names(plan.before), names(plan.after));
    let regtype = |name: &str| format!("pg_catalog.to_regtype({})", quote_literal(name));
    found.extend((&new - &old).iter().map(|name| format!("{} IS NOT NULL", regtype(name))));
    found.extend((&old - &new).iter().map(|name| format!("{} IS NULL", regtype(name))));
    for (before, after) in plan.pairing.iter().filter(|(before, _)| before.class == Class::Type) {
        let (Some(old), Some(new)) = (plan.before.types.get(&before.oid), plan.after.types.get(&after.oid)) else {
            continue;
        };
        let (TypeKind::Enum(old_labels), TypeKind::Enum(new_labels)) = (&old.kind, &new.kind) else { continue };
        for (_, label) in new_labels.iter().filter(|(_, label)| !old_labels.iter().any(|(_, old)| old == label)) {
            found.push(format!(
                "EXISTS (SELECT FROM pg_catalog.pg_enum WHERE enumtypid = {} AND enumlabel = {})",
                regtype(&new.qualified),
                quote_literal(label)
            ));
        }
    }
}

/// For `prepare.sql`: the migration has not run. `history` are the statements that take the runner's own rows out.
pub(super) fn not_yet(traces: &[String], history: &[String]) -> String {
    let message = "the migration has run already, or some of it: what prepare.sql would save is no longer there";
    let noted = history.iter().filter_map(|undo| noted(undo, message));
    let shown = (!traces.is_empty()).then(|| raise(&traces.join("\n        OR "), message));
    noted.chain(shown).collect()
}

/// For `rollback.sql`: the migration has run and was not undone. One that can stop anywhere may have left no trace yet,
/// but then what `prepare.sql` saved is there. Where an old name stands for something new, undoing twice would destroy
/// the old: then the backup must be there.
pub(super) fn still(traces: &[String], stepwise: bool, backup_schema: &str, stand_ins: &[String]) -> String {
    let mut out = String::new();
    let saved = format!("pg_catalog.to_regnamespace({}) IS NOT NULL", quote_literal(&identifier(backup_schema)));
    if !traces.is_empty() {
        let shown = traces.join("\n        OR ");
        let known = if stepwise { format!("{saved}\n        OR {shown}") } else { shown };
        out.push_str(&raise(
            &format!("NOT ({known})"),
            "there is nothing to undo: the migration has not run here, or was undone; nothing was changed",
        ));
    }
    if !stand_ins.is_empty() {
        let message = format!(
            "prepare.sql was not run, or cleanup.sql was: what is called {} now cannot be told from what bore the name before; \
             nothing was changed",
            stand_ins.join(", ")
        );
        out.push_str(&raise(&format!("NOT ({saved})"), &message));
    }
    out
}

/// Tables and columns that bear the name of another one from before.
pub(super) fn stand_ins(plan: &Plan<'_>) -> Vec<String> {
    let is_table = |kind: RelationKind| matches!(kind, RelationKind::Table | RelationKind::PartitionedTable);
    let mut found = Vec::new();
    let named: BTreeMap<&str, &Relation> = plan
        .after
        .relations
        .values()
        .filter(|relation| is_table(relation.kind))
        .map(|relation| (relation.qualified.as_str(), relation))
        .collect();
    for old in plan.before.relations.values().filter(|relation| is_table(relation.kind)) {
        let other = named.get(old.qualified.as_str());
        let other = other.filter(|new| plan.pairing.relation_before(new.oid) != Some(old.oid));
        found.extend(other.map(|new| new.qualified.clone()));
    }
    for table in plan.tables.values() {
        for old in plan.before.columns_of(table.before) {
            let other = plan
                .after
                .columns_of(table.after)
                .any(|new| new.name == old.name && new.number != old.number && table.added.contains(&new.number));
            if other {
                found.push(column(plan.before, table.before, old.number));
            }
        }
    }
    found
}

fn raise(condition: &str, message: &str) -> String {
    format!(
        "DO $seatrial$\nBEGIN\n    IF {condition} THEN\n        RAISE EXCEPTION {};\n    END IF;\nEND\n$seatrial$;\n",
        quote_literal(&message.replace('%', "%%"))
    )
}

/// A row of the runner's history that stands there once the migration ran, asked for where its table exists.
fn noted(undo: &str, message: &str) -> Option<String> {
    let undo = undo.trim();
    let rest = undo.get(..12).filter(|start| start.eq_ignore_ascii_case("DELETE FROM ")).map(|_| &undo[12..])?;
    let (table, condition) = rest.split_once(" WHERE ").or_else(|| rest.split_once(" where "))?;
    Some(format!(
        "SET LOCAL search_path TO DEFAULT;\nDO $seatrial$\nBEGIN\n    IF pg_catalog.to_regclass({}) IS NOT NULL THEN\n        \
         IF EXISTS (SELECT FROM {table} WHERE {condition}) THEN\n            RAISE EXCEPTION {};\n        END IF;\n    END IF;\nEND\n\
         $seatrial$;\nSET LOCAL search_path = '';\n",
        quote_literal(table),
        quote_literal(message)
    ))
}
