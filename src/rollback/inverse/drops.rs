//! Drops.

use super::super::generate::Step;
use super::super::names::{describe, identifier, object, other_word, qualified, relation_word};
use super::super::order::DropOrder;
use super::super::planner::Plan;
use crate::snapshot::Oid;
use crate::snapshot::object::{Address, Class};
use std::collections::BTreeMap;

/// What goes before anything else is changed, under the names of after.
pub(super) fn first(plan: &mut Plan<'_>, order: &DropOrder) -> Vec<Step> {
    let mut steps = cut_loose(plan);
    for key in &order.circular {
        steps.extend(statement(plan, *key, None));
    }
    for node in &order.first {
        match statement(plan, *node, None) {
            Some(step) => steps.push(step),
            None => plan.unmodelled.push(format!("{} was made", describe(plan.after, *node))),
        }
    }
    steps
}

/// What goes at the end, under the names the renames left it with.
pub(super) fn last(plan: &mut Plan<'_>, order: &DropOrder, away: &BTreeMap<Address, String>) -> Vec<Step> {
    let mut steps = Vec::new();
    for node in &order.last {
        match statement(plan, *node, away.get(node)) {
            Some(step) => steps.push(step),
            None => plan.unmodelled.push(format!("{} was made", describe(plan.after, *node))),
        }
    }
    steps
}

/// Attached partitions, new inheritance, sequences tied to columns that go: undone first, because they would drag
/// survivors along.
fn cut_loose(plan: &Plan<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for table in plan.tables.values() {
        let name = plan.after.relation_name(table.after);
        let bound =
            plan.after.relation_details.get(&table.after).is_some_and(|detail| detail.partition_bound.is_some());
        for parent in plan.new_parents(table) {
            let parent = plan.after.relation_name(parent);
            if bound {
                steps.push(Step::new(
                    format!("{name} was attached to {parent}."),
                    format!("ALTER TABLE {parent} DETACH PARTITION {name};"),
                ));
            } else {
                steps.push(Step::new(
                    format!("{name} was made to inherit from {parent}."),
                    format!("ALTER TABLE {name} NO INHERIT {parent};"),
                ));
            }
        }
    }
    for oid in &plan.disown {
        let name = plan.after.relation_name(*oid);
        steps.push(Step::new(
            format!("{name} must not go with the column it was tied to."),
            format!("ALTER SEQUENCE {name} OWNED BY NONE;"),
        ));
    }
    steps
}

/// The statement that drops one object of after; `name` where it no longer bears its own.
fn statement(plan: &Plan<'_>, node: Address, name: Option<&String>) -> Option<Step> {
    let after = plan.after;
    let oid = node.oid;
    // What a table keeps when it is cut loose from its new parents is its own from then on.
    let inherited = |table: Oid, column: i16| {
        after.column_details.get(&(table, column)).is_some_and(|detail| !detail.local)
            && plan.comes_from_parent(table, column)
    };
    let sql = match node.class {
        Class::Relation if node.column != 0 => {
            let column = identifier(&after.columns.get(&(oid, node.column))?.name);
            if inherited(oid, node.column) {
                return Some(Step::default());
            }
            let word = relation_word(after.relations.get(&oid)?.kind);
            format!("ALTER {word} {} DROP COLUMN IF EXISTS {column};", after.relation_name(oid))
        }
        Class::Default => {
            let column = identifier(&after.columns.get(&(oid, node.column))?.name);
            let word = relation_word(after.relations.get(&oid)?.kind);
            format!("ALTER {word} {} ALTER COLUMN {column} DROP DEFAULT;", after.relation_name(oid))
        }
        Class::Constraint => {
            let constraint = after.constraints.get(&oid)?;
            if constraint.inherited && constraint.table.is_some() && !plan.is_cut_loose(constraint.table?) {
                return Some(Step::default());
            }
            let on = match constraint.table {
                Some(table) => format!("ALTER TABLE {}", after.relation_name(table)),
                None => {
                    let domain = after.constraint_details.get(&oid)?.domain?;
                    format!("ALTER DOMAIN {}", after.types.get(&domain)?.qualified)
                }
            };
            let alone = index_on_the_way(plan, node).unwrap_or_default();
            format!("{on} DROP CONSTRAINT IF EXISTS {};{alone}", identifier(&constraint.name))
        }
        // Its column stays, and its name may be wanted again.
        Class::Relation if after.sequences.get(&oid).is_some_and(|sequence| sequence.identity) => {
            let (table, number) = after.sequences.get(&oid)?.owned_by?;
            let column = identifier(&after.columns.get(&(table, number))?.name);
            let word = relation_word(after.relations.get(&table)?.kind);
            let table = after.relation_name(table);
            return Some(Step::new(
                "Made an identity column by the migration.",
                format!("ALTER {word} {table} ALTER COLUMN {column} DROP IDENTITY IF EXISTS;"),
            ));
        }
        Class::Trigger if after.triggers.get(&oid)?.parent.is_some() => return Some(Step::default()),
        Class::Other(_) => return other(plan, node),
        _ => {
            let object = object(after, node)?;
            let object = match name {
                Some(name) => format!("{} {name}", split_word(&object).0),
                None => object,
            };
            let (word, rest) = split_word(&object);
            let detached = detached(plan, node).unwrap_or_default();
            format!("{detached}DROP {word} IF EXISTS {rest};")
        }
    };
    let why = match plan.pairing.before(node) {
        Some(before) if plan.restore.contains(&before) => {
            format!("{}: put back further down as it was.", capitalised(&describe(after, node)))
        }
        Some(_) if node.column != 0 && node.class == Class::Relation => "Made again further down.".to_owned(),
        Some(_) if node.class == Class::Default => "In the way of a change of type.".to_owned(),
        _ if node.class == Class::Default => "In the way.".to_owned(),
        _ => invalid_index(plan, node).unwrap_or_else(|| "Made by the migration.".to_owned()),
    };
    Some(Step::new(why, sql))
}

/// A run that stopped before the constraint was made has left its index alone.
fn index_on_the_way(plan: &Plan<'_>, node: Address) -> Option<String> {
    let constraint = plan.after.constraints.get(&node.oid).filter(|_| plan.pairing.before(node).is_none())?;
    let index = plan.indexes_on_the_way.get(&constraint.name)?;
    let schema = &plan.after.relations.get(&constraint.table?)?.schema;
    let there = |relation: &crate::snapshot::catalog::Relation| relation.schema == *schema && relation.name == *index;
    // One that was there before is not the migration's.
    let made = !plan.before.relations.values().any(there);
    made.then(|| format!("\nDROP INDEX IF EXISTS {};", qualified(schema, index)))
}

/// A partition cannot be dropped while a foreign key references the table it is a part of, but it can be detached.
fn detached(plan: &Plan<'_>, node: Address) -> Option<String> {
    let relation = plan.after.relations.get(&node.oid).filter(|_| node.class == Class::Relation)?;
    let parent = relation.parent.filter(|_| relation.is_partition)?;
    let referenced = |table: Oid| plan.after.constraints.values().any(|key| key.references == Some(table));
    let mut above = Some(parent);
    while let Some(table) = above.filter(|table| !referenced(*table)) {
        above = plan.after.relations.get(&table)?.parent;
    }
    above?;
    Some(format!("ALTER TABLE {} DETACH PARTITION {};\n", plan.after.relation_name(parent), relation.qualified))
}

fn invalid_index(plan: &Plan<'_>, node: Address) -> Option<String> {
    let index = (node.class == Class::Relation).then(|| plan.after.indexes.get(&node.oid))??;
    (!index.valid).then(|| "An invalid index, left by a build that failed.".to_owned())
}

fn other(plan: &Plan<'_>, node: Address) -> Option<Step> {
    let other = plan.after.others.get(&node)?;
    let identity = &other.identity;
    let sql = match other.type_name.as_str() {
        "publication relation" => {
            // The server quotes the table here, and not the publication.
            let (table, publication) = identity.rsplit_once(" in publication ")?;
            format!("ALTER PUBLICATION {} DROP TABLE {table};", identifier(publication))
        }
        "publication namespace" => {
            let (schema, publication) = identity.rsplit_once(" in publication ")?;
            let (publication, schema) = (identifier(publication), identifier(schema));
            format!("ALTER PUBLICATION {publication} DROP TABLES IN SCHEMA {schema};")
        }
        "cast" => format!("DROP CAST IF EXISTS {identity};"),
        "transform" => format!("DROP TRANSFORM IF EXISTS {identity};"),
        "user mapping" => {
            let (role, server) = identity.split_once(" on server ")?;
            format!("DROP USER MAPPING IF EXISTS FOR {role} SERVER {server};")
        }
        "subscription" => return None,
        kind => format!("DROP {} IF EXISTS {identity};", other_word(kind)),
    };
    let why = match plan.pairing.before(node) {
        Some(_) => format!("{}: put back further down as it was.", capitalised(&describe(plan.after, node))),
        None => "Made by the migration.".to_owned(),
    };
    Some(Step::new(why, sql))
}

/// `MATERIALIZED VIEW public.v` into its words and its name.
fn split_word(object: &str) -> (&str, &str) {
    for word in ["MATERIALIZED VIEW", "FOREIGN TABLE"] {
        if let Some(rest) = object.strip_prefix(word) {
            return (word, rest.trim_start());
        }
    }
    object.split_once(' ').unwrap_or((object, ""))
}

pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
