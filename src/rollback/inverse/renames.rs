//! Names and schemas go back. Two names that changed places take a detour.

use super::super::generate::Step;
use super::super::names::{function_word, identifier, object, qualified, relation_word};
use super::super::order::DropOrder;
use super::super::planner::Plan;
use super::others;
use crate::snapshot::catalog::RelationKind;
use crate::snapshot::object::{Address, Class, TypeKind};
use std::collections::{BTreeMap, BTreeSet};

/// The statements, and new names of what is dropped later but stood on a name that is wanted again.
pub(super) struct Renamed {
    pub steps: Vec<Step>,
    /// Qualified, by address after.
    pub away: BTreeMap<Address, String>,
}

/// One object that changes its name within one space of names.
struct Move {
    /// What must be unique: schema, or table for columns and constraints.
    space: String,
    from: String,
    to: String,
    /// Text before and after the old name: `ALTER TABLE public.` and ` RENAME TO `.
    statement: (String, String),
}

impl Move {
    fn sql(&self, from: &str, to: &str) -> String {
        format!("{}{}{}{};", self.statement.0, identifier(from), self.statement.1, identifier(to))
    }
}

pub(super) fn renames(plan: &Plan<'_>, order: &DropOrder) -> Renamed {
    let mut steps = replaced_labels(plan, order);
    steps.extend(carry_out(schemas(plan)));
    let (away_steps, away) = move_away(plan, order);
    steps.extend(away_steps);
    steps.extend(set_schema(plan));
    steps.extend(others::schemas_back(plan, |schema| schema_now(plan, schema)));
    steps.extend(carry_out(objects(plan)));
    steps.extend(carry_out(others(plan)));
    steps.extend(carry_out(parts(plan)));
    Renamed { steps, away }
}

/// An enumeration that is made anew hands its values over by their labels, so these go back first.
fn replaced_labels(plan: &Plan<'_>, order: &DropOrder) -> Vec<Step> {
    let mut steps = Vec::new();
    // One nobody needs is gone by now.
    for (before, after) in plan.replaced_types.iter().filter(|(_, after)| !order.first.contains(after)) {
        let (Some(old), Some(new)) = (plan.before.types.get(&before.oid), plan.after.types.get(&after.oid)) else {
            continue;
        };
        if let (TypeKind::Enum(old_labels), TypeKind::Enum(new_labels)) = (&old.kind, &new.kind) {
            steps.extend(super::types::labels(old_labels, new_labels, &new.qualified));
        }
    }
    steps
}

/// Orders moves so that a name is free when it is taken.
fn carry_out(mut moves: Vec<Move>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut detour = 0;
    let mut on_detour: Vec<(Move, String)> = Vec::new();
    while !moves.is_empty() {
        let taken: BTreeSet<(String, String)> =
            moves.iter().map(|found| (found.space.clone(), found.from.clone())).collect();
        let free = moves.iter().position(|found| !taken.contains(&(found.space.clone(), found.to.clone())));
        match free {
            Some(index) => {
                let found = moves.remove(index);
                steps.push(Step::new("Renamed by the migration.", found.sql(&found.from, &found.to)));
            }
            None => {
                let found = moves.remove(0);
                detour += 1;
                let name = format!("seatrial_detour_{detour}");
                steps.push(Step::new("Names that changed places.", found.sql(&found.from, &name)));
                on_detour.push((found, name));
            }
        }
    }
    for (found, name) in on_detour {
        steps.push(Step::new("Names that changed places.", found.sql(&name, &found.to)));
    }
    steps
}

fn schemas(plan: &Plan<'_>) -> Vec<Move> {
    plan.staying()
        .into_iter()
        .filter(|(before, _)| before.class == Class::Schema)
        .filter_map(|(before, after)| {
            let (old, new) = (plan.before.schemas.get(&before.oid)?, plan.after.schemas.get(&after.oid)?);
            (old.name != new.name).then(|| Move {
                space: "schemas".to_owned(),
                from: new.name.clone(),
                to: old.name.clone(),
                statement: ("ALTER SCHEMA ".to_owned(), " RENAME TO ".to_owned()),
            })
        })
        .collect()
}

/// The name a schema of after bears once schemas are renamed back.
fn schema_now(plan: &Plan<'_>, schema: &str) -> String {
    let found = plan.after.schemas.iter().find(|(_, found)| found.name == schema);
    let before = found.and_then(|(oid, _)| plan.pairing.before(Address::new(Class::Schema, *oid)));
    before
        .and_then(|before| plan.before.schemas.get(&before.oid))
        .map_or_else(|| schema.to_owned(), |found| found.name.clone())
}

/// Schema and name of an object that has both, with the words `ALTER` takes.
fn placed(plan: &Plan<'_>, catalog_before: bool, address: Address) -> Option<(String, String, String)> {
    let catalog = if catalog_before { plan.before } else { plan.after };
    let oid = address.oid;
    match address.class {
        Class::Relation => {
            let relation = catalog.relations.get(&oid)?;
            Some((relation.schema.clone(), relation.name.clone(), relation_word(relation.kind).to_owned()))
        }
        Class::Type => {
            let found = catalog.types.get(&oid)?;
            let word = if matches!(found.kind, TypeKind::Domain { .. }) { "DOMAIN" } else { "TYPE" };
            Some((found.schema.clone(), found.name.clone(), word.to_owned()))
        }
        Class::Function => {
            let function = catalog.functions.get(&oid)?;
            Some((function.schema.clone(), function.name.clone(), function_word(function.kind).to_owned()))
        }
        _ => None,
    }
}

/// What is dropped only at the end but stands on a name of before.
fn move_away(plan: &Plan<'_>, order: &DropOrder) -> (Vec<Step>, BTreeMap<Address, String>) {
    let mut wanted: BTreeSet<(String, String)> = BTreeSet::new();
    for relation in plan.before.relations.values() {
        wanted.insert((relation.schema.clone(), relation.name.clone()));
    }
    for found in plan.before.types.values() {
        wanted.insert((found.schema.clone(), found.name.clone()));
    }
    for function in plan.before.functions.values() {
        wanted.insert((function.schema.clone(), format!("{}({})", function.name, function.arguments)));
    }
    let mut steps = Vec::new();
    let mut away = BTreeMap::new();
    for node in order.last.iter().filter(|node| node.column == 0) {
        let Some((schema, name, word)) = placed(plan, false, *node) else { continue };
        let schema = schema_now(plan, &schema);
        let arguments = match node.class {
            Class::Function => plan
                .after
                .functions
                .get(&node.oid)
                .map_or(String::new(), |function| format!("({})", function.arguments)),
            _ => String::new(),
        };
        let mut current = format!("{}{arguments}", qualified(&schema, &name));
        if wanted.contains(&(schema.clone(), format!("{name}{arguments}"))) {
            let new_name = format!("seatrial_away_{}", away.len() + 1);
            steps.push(Step::new(
                "Dropped further down; until then it leaves its name to the one that was there before.",
                format!("ALTER {word} {current} RENAME TO {new_name};"),
            ));
            current = format!("{}{arguments}", qualified(&schema, &new_name));
            // From version 18 on the `NOT NULL` of a domain has a name of its own, which is wanted again as well.
            let not_null = plan.after.constraints.values().find(|found| {
                let domain = plan.after.constraint_details.get(&found.oid).and_then(|detail| detail.domain);
                found.kind == 'n' && node.class == Class::Type && domain == Some(node.oid)
            });
            if let Some(found) = not_null {
                steps.push(Step::new(
                    "Dropped further down; until then it leaves its name to the one that was there before.",
                    format!(
                        "ALTER DOMAIN {current} RENAME CONSTRAINT {} TO {new_name}_not_null;",
                        identifier(&found.name)
                    ),
                ));
            }
        }
        away.insert(*node, current);
    }
    (steps, away)
}

fn set_schema(plan: &Plan<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (before, after) in plan.staying() {
        let (Some((old_schema, _, _)), Some((new_schema, name, word))) =
            (placed(plan, true, before), placed(plan, false, after))
        else {
            continue;
        };
        let now = schema_now(plan, &new_schema);
        if old_schema == now || moves_with_its_table(plan, after) {
            continue;
        }
        let spelled = match after.class {
            Class::Function => {
                let arguments = plan.after.functions.get(&after.oid).map_or("", |function| function.arguments.as_str());
                format!("{}({arguments})", qualified(&now, &name))
            }
            _ => qualified(&now, &name),
        };
        steps.push(Step::new(
            "Moved to another schema by the migration.",
            format!("ALTER {word} {spelled} SET SCHEMA {};", identifier(&old_schema)),
        ));
    }
    steps
}

fn moves_with_its_table(plan: &Plan<'_>, after: Address) -> bool {
    let Some(relation) = plan.after.relations.get(&after.oid).filter(|_| after.class == Class::Relation) else {
        return false;
    };
    match relation.kind {
        RelationKind::Index | RelationKind::PartitionedIndex => true,
        RelationKind::Sequence => plan.after.sequences.get(&after.oid).is_some_and(|found| found.owned_by.is_some()),
        _ => false,
    }
}

fn objects(plan: &Plan<'_>) -> Vec<Move> {
    let mut moves = Vec::new();
    for (before, after) in plan.staying() {
        let (Some((schema, old, _)), Some((_, new, word))) = (placed(plan, true, before), placed(plan, false, after))
        else {
            continue;
        };
        // An index behind a constraint bears the constraint's name.
        let constraint = plan.after.indexes.get(&after.oid).filter(|_| after.class == Class::Relation);
        if old == new || constraint.is_some_and(|index| index.constraint.is_some()) {
            continue;
        }
        let prefix = format!("ALTER {word} {}.", identifier(&schema));
        if after.class == Class::Function {
            let arguments = plan.before.functions.get(&before.oid).map_or("", |function| function.arguments.as_str());
            moves.push(Move {
                space: format!("functions of {schema}({arguments})"),
                from: new,
                to: old,
                statement: (prefix, format!("({arguments}) RENAME TO ")),
            });
        } else {
            moves.push(Move {
                space: format!("relations of {schema}"),
                from: new,
                to: old,
                statement: (prefix, " RENAME TO ".to_owned()),
            });
        }
    }
    moves
}

/// Objects of every other catalog, in their schemas of before.
fn others(plan: &Plan<'_>) -> Vec<Move> {
    let mut moves = Vec::new();
    for (before, after) in plan.staying() {
        let (Some(old), Some(new)) = (others::spelled(plan.before, before), others::spelled(plan.after, after)) else {
            continue;
        };
        if old.name == new.name {
            continue;
        }
        let place = old.schema.as_ref().map(|schema| format!("{}.", identifier(schema))).unwrap_or_default();
        moves.push(Move {
            space: format!("{}{} {place}", old.word, old.suffix),
            from: new.name,
            to: old.name,
            statement: (format!("ALTER {} {place}", old.word), format!("{} RENAME TO ", old.suffix)),
        });
    }
    moves
}

/// Columns and constraints, under their tables' names of before.
fn parts(plan: &Plan<'_>) -> Vec<Move> {
    let mut moves = Vec::new();
    for table in plan.tables.values() {
        let name = plan.before.relation_name(table.before);
        for old in plan.before.columns_of(table.before) {
            let key = (table.after, old.number);
            let Some(new) = plan.after.columns.get(&key) else { continue };
            let inherited = plan.comes_from_parent(table.after, old.number);
            if old.name != new.name && !table.added.contains(&old.number) && !inherited {
                moves.push(Move {
                    space: format!("columns of {name}"),
                    from: new.name.clone(),
                    to: old.name.clone(),
                    statement: (format!("ALTER TABLE {name} RENAME COLUMN "), " TO ".to_owned()),
                });
            }
        }
    }
    for (before, after) in plan.staying() {
        let (Some(old), Some(new)) = (plan.before.constraints.get(&before.oid), plan.after.constraints.get(&after.oid))
        else {
            continue;
        };
        // A parent's `CHECK` and `NOT NULL` are renamed with it; keys of partitions each bear a name of their own.
        let with_parent = new.inherited && matches!(new.kind, 'c' | 'n');
        if before.class != Class::Constraint || old.name == new.name || with_parent {
            continue;
        }
        let domain = plan.before.constraint_details.get(&before.oid).and_then(|detail| detail.domain);
        let owner = match (old.table, domain) {
            (Some(table), _) => format!("TABLE {}", plan.before.relation_name(table)),
            (None, Some(domain)) => match object(plan.before, Address::new(Class::Type, domain)) {
                Some(name) => name,
                None => continue,
            },
            (None, None) => continue,
        };
        moves.push(Move {
            space: format!("constraints of {owner}"),
            from: new.name.clone(),
            to: old.name.clone(),
            statement: (format!("ALTER {owner} RENAME CONSTRAINT "), " TO ".to_owned()),
        });
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rename(from: &str, to: &str) -> Move {
        Move {
            space: "relations of public".to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            statement: ("ALTER TABLE public.".to_owned(), " RENAME TO ".to_owned()),
        }
    }

    fn sql(moves: Vec<Move>) -> Vec<String> {
        carry_out(moves).into_iter().map(|step| step.sql).collect()
    }

    #[test]
    fn a_chain_is_walked_from_its_free_end() {
        assert_eq!(
            sql(vec![rename("a", "b"), rename("b", "c")]),
            ["ALTER TABLE public.b RENAME TO c;", "ALTER TABLE public.a RENAME TO b;"]
        );
    }

    #[test]
    fn names_that_changed_places_take_a_detour() {
        assert_eq!(
            sql(vec![rename("a", "b"), rename("b", "a")]),
            [
                "ALTER TABLE public.a RENAME TO seatrial_detour_1;",
                "ALTER TABLE public.b RENAME TO a;",
                "ALTER TABLE public.seatrial_detour_1 RENAME TO b;",
            ]
        );
    }
}
