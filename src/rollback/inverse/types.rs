//! Types changed in place: labels renamed, domains, attributes of composite types.

use super::super::generate::Step;
use super::super::names::{describe, identifier};
use super::super::planner::Plan;
use crate::engine::postgres::session::quote_literal;
use crate::snapshot::Oid;
use crate::snapshot::object::{Class, Type, TypeKind};

pub(super) fn types(plan: &mut Plan<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut unmodelled = Vec::new();
    for (before, after) in plan.staying() {
        if before.class != Class::Type {
            continue;
        }
        let (Some(old), Some(new)) = (plan.before.types.get(&before.oid), plan.after.types.get(&after.oid)) else {
            continue;
        };
        match (&old.kind, &new.kind) {
            (TypeKind::Enum(old_labels), TypeKind::Enum(new_labels)) => {
                steps.extend(labels(old_labels, new_labels, &old.qualified));
            }
            (TypeKind::Domain { .. }, TypeKind::Domain { .. }) => steps.extend(domain(old, new)),
            (TypeKind::Composite(old_relation), TypeKind::Composite(new_relation)) => {
                steps.extend(composite(plan, old, *old_relation, *new_relation));
            }
            _ if std::mem::discriminant(&old.kind) != std::mem::discriminant(&new.kind) => {
                unmodelled.push(format!("{} became another kind of type", describe(plan.before, before)));
            }
            _ => {}
        }
    }
    plan.unmodelled.extend(unmodelled);
    steps
}

/// Labels that were renamed, under the name the type bears at that moment.
pub(super) fn labels(old: &[(Oid, String)], new: &[(Oid, String)], name: &str) -> Vec<Step> {
    old.iter()
        .filter_map(|(oid, label)| {
            let (_, now) = new.iter().find(|(found, now)| found == oid && now != label)?;
            let (now, label) = (quote_literal(now), quote_literal(label));
            Some(Step::new(
                "A label renamed by the migration.",
                format!("ALTER TYPE {name} RENAME VALUE {now} TO {label};"),
            ))
        })
        .collect()
}

fn domain(old: &Type, new: &Type) -> Vec<Step> {
    let (
        TypeKind::Domain { default: old_default, not_null: old_not_null, .. },
        TypeKind::Domain { default: new_default, not_null: new_not_null, .. },
    ) = (&old.kind, &new.kind)
    else {
        return Vec::new();
    };
    let mut steps = Vec::new();
    let alter = format!("ALTER DOMAIN {}", old.qualified);
    if old_default != new_default {
        let sql = match old_default {
            Some(default) => format!("{alter} SET DEFAULT {default};"),
            None => format!("{alter} DROP DEFAULT;"),
        };
        steps.push(Step::new("The domain's default.", sql));
    }
    if old_not_null != new_not_null {
        let verb = if *old_not_null { "SET" } else { "DROP" };
        steps.push(Step::new("Whether the domain takes nulls.", format!("{alter} {verb} NOT NULL;")));
    }
    steps
}

/// A composite type that has all the attributes it had; see [`Plan::replaced_types`] for others.
fn composite(plan: &Plan<'_>, old: &Type, old_relation: Oid, new_relation: Oid) -> Vec<Step> {
    let mut steps = Vec::new();
    let alter = format!("ALTER TYPE {}", old.qualified);
    for attribute in plan.after.columns_of(new_relation) {
        if !plan.before.columns.contains_key(&(old_relation, attribute.number)) {
            steps.push(Step::new(
                "An attribute added by the migration.",
                format!("{alter} DROP ATTRIBUTE IF EXISTS {} CASCADE;", identifier(&attribute.name)),
            ));
        }
    }
    for attribute in plan.before.columns_of(old_relation) {
        let name = identifier(&attribute.name);
        let collation = attribute.collation.as_ref().map(|found| format!(" COLLATE {found}")).unwrap_or_default();
        let Some(now) = plan.after.columns.get(&(new_relation, attribute.number)) else { continue };
        if now.name != attribute.name {
            steps.push(Step::new(
                "An attribute renamed by the migration.",
                format!("{alter} RENAME ATTRIBUTE {} TO {name} CASCADE;", identifier(&now.name)),
            ));
        }
        if now.type_name != attribute.type_name || now.collation != attribute.collation {
            steps.push(Step::new(
                "An attribute whose type the migration changed.",
                format!("{alter} ALTER ATTRIBUTE {name} TYPE {}{collation} CASCADE;", attribute.type_name),
            ));
        }
    }
    steps
}
