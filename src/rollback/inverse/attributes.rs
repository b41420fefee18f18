//! Owners, privileges and comments: of what stayed where they changed, of what was made again in full.

use super::super::generate::Step;
use super::super::names::{identifier, is_table, object, qualified};
use super::super::planner::Plan;
use super::super::privileges::{AclItem, Target, changes, defaults, parse_all};
use super::restores::is_built_outside;
use crate::engine::postgres::session::quote_literal;
use crate::snapshot::Oid;
use crate::snapshot::catalog::{Catalog, RelationKind};
use crate::snapshot::object::{Address, Class, DefaultPrivileges, Type, TypeKind};
use std::collections::BTreeSet;

const OWNERS: &str = "Owners.";
const PRIVILEGES: &str = "Privileges.";
const COMMENTS: &str = "Comments.";

pub(super) fn attributes(plan: &mut Plan<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    let staying = plan.staying();
    for (before, after) in &staying {
        owner(plan, *before, *after, &mut steps);
    }
    for (before, after) in &staying {
        privileges(plan, *before, Some(*after), &mut steps);
    }
    for before in &plan.restore {
        privileges(plan, *before, None, &mut steps);
    }
    default_privileges(plan, &mut steps);
    for (before, after) in &staying {
        comments(plan, *before, Some(*after), &mut steps);
    }
    for before in plan.restore.iter().filter(|before| !is_built_outside(plan, **before)) {
        comments(plan, *before, None, &mut steps);
    }
    // `NOT NULL` comes back with its column.
    for oid in plan.before.constraints.keys() {
        let address = Address::new(Class::Constraint, *oid);
        if Plan::is_not_null(plan.before, address) && plan.pairing.after(address).is_none() {
            comments(plan, address, None, &mut steps);
        }
    }
    steps
}

fn owner_of(catalog: &Catalog, address: Address) -> Option<String> {
    let oid = address.oid;
    match address.class {
        Class::Schema => catalog.schemas.get(&oid).map(|found| found.owner.clone()),
        Class::Type => catalog.types.get(&oid).map(|found| found.owner.clone()),
        Class::Function => catalog.functions.get(&oid).map(|found| found.owner.clone()),
        Class::Relation => {
            let relation = catalog.relations.get(&oid)?;
            let own = !matches!(relation.kind, RelationKind::Index | RelationKind::PartitionedIndex);
            // A sequence tied to a column has its table's owner.
            let tied = catalog.sequences.get(&oid).is_some_and(|sequence| sequence.owned_by.is_some());
            (own && !tied).then(|| relation.owner.clone())
        }
        // An extension keeps whoever made it.
        Class::Other(_) => {
            let other = catalog.others.get(&address)?;
            other.owner.clone().filter(|_| !["extension", "user mapping"].contains(&other.type_name.as_str()))
        }
        _ => None,
    }
}

fn owner(plan: &Plan<'_>, before: Address, after: Address, steps: &mut Vec<Step>) {
    let (Some(old), Some(new)) = (owner_of(plan.before, before), owner_of(plan.after, after)) else { return };
    if old != new
        && let Some(name) = object(plan.before, before)
    {
        steps.push(Step::new(OWNERS, format!("ALTER {name} OWNER TO {};", identifier(&old))));
    }
}

/// Privileges of an object: kind as in `GRANT … ON`, spelled name, owner, list.
fn acl_of(catalog: &Catalog, address: Address) -> Option<(&'static str, String, String, Vec<AclItem>)> {
    let oid = address.oid;
    Some(match address.class {
        Class::Schema => {
            let found = catalog.schemas.get(&oid)?;
            ("SCHEMA", identifier(&found.name), found.owner.clone(), parse_all(&found.acl))
        }
        Class::Type => {
            let found = catalog.types.get(&oid)?;
            ("TYPE", found.qualified.clone(), found.owner.clone(), parse_all(&found.acl))
        }
        Class::Function => {
            let found = catalog.functions.get(&oid)?;
            let word = if found.kind == 'p' { "PROCEDURE" } else { "FUNCTION" };
            // Of an aggregate, too, `GRANT` takes the types alone.
            let name = format!("{}({})", qualified(&found.schema, &found.name), found.arguments);
            (word, name, found.owner.clone(), parse_all(&found.acl))
        }
        Class::Relation => {
            let relation = catalog.relations.get(&oid)?;
            let word = match relation.kind {
                RelationKind::Sequence => "SEQUENCE",
                RelationKind::View | RelationKind::MaterializedView => "TABLE",
                kind if is_table(kind) => "TABLE",
                _ => return None,
            };
            (
                word,
                relation.qualified.clone(),
                relation.owner.clone(),
                parse_all(&catalog.relation_details.get(&oid)?.acl),
            )
        }
        Class::Other(_) => {
            let other = catalog.others.get(&address)?;
            let word = match other.type_name.as_str() {
                "server" => "FOREIGN SERVER",
                "foreign-data wrapper" => "FOREIGN DATA WRAPPER",
                "language" => "LANGUAGE",
                _ => return None,
            };
            (word, other.identity.clone(), other.owner.clone()?, parse_all(&other.acl))
        }
        _ => return None,
    })
}

fn privileges(plan: &Plan<'_>, before: Address, after: Option<Address>, steps: &mut Vec<Step>) {
    let Some((word, name, owner, wanted)) = acl_of(plan.before, before) else { return };
    let target = Target { object: format!("{word} {name}"), column: None, prefix: String::new(), owner: &owner };
    let current = match after {
        Some(after) => match acl_of(plan.after, after) {
            Some((_, _, new_owner, items)) => reowned(items, &new_owner, &owner),
            None => return,
        },
        None => new_privileges(plan, word, before, &owner),
    };
    let mut found = changes(&target, &current, &wanted);
    if before.class == Class::Relation && word == "TABLE" {
        found.sql.extend(column_privileges(plan, before.oid, after.map(|after| after.oid), &target, &found.revoked));
    }
    steps.extend(found.sql.into_iter().map(|sql| Step::new(PRIVILEGES, sql)));
}

/// `ALTER … OWNER TO` rewrites the list as well.
fn reowned(items: Vec<AclItem>, from: &str, to: &str) -> Vec<AclItem> {
    let rename = |name: String| if name == from { to.to_owned() } else { name };
    items
        .into_iter()
        .map(|item| AclItem { grantee: rename(item.grantee), grantor: rename(item.grantor), ..item })
        .collect()
}

/// What an object made just now may hold: the built-in defaults and whatever default privileges add, for any role.
fn new_privileges(plan: &Plan<'_>, word: &str, before: Address, owner: &str) -> Vec<AclItem> {
    let schema = match before.class {
        Class::Relation => plan.before.relations.get(&before.oid).map(|found| found.schema.clone()),
        Class::Type => plan.before.types.get(&before.oid).map(|found| found.schema.clone()),
        Class::Function => plan.before.functions.get(&before.oid).map(|found| found.schema.clone()),
        _ => None,
    };
    let letter = match word {
        "TABLE" => 'r',
        "SEQUENCE" => 'S',
        "TYPE" => 'T',
        "SCHEMA" => 'n',
        "FUNCTION" | "PROCEDURE" => 'f',
        _ => return defaults(word, owner, plan.before.version),
    };
    // Never equal to what is wanted, so that it is revoked whatever was really granted.
    let uncertain = |mut item: AclItem| {
        item.privileges.insert(('?', false));
        AclItem { grantor: owner.to_owned(), ..item }
    };
    let mut items = defaults(word, owner, plan.before.version);
    let all = plan.before.default_privileges.iter().chain(&plan.after.default_privileges);
    if all.clone().any(|entry| entry.object_type == letter && entry.schema.is_none()) {
        // Entries for all schemas replace the built-in defaults.
        items = items.into_iter().map(uncertain).collect();
    }
    for entry in all {
        if entry.object_type == letter && (entry.schema.is_none() || entry.schema == schema) {
            items.extend(parse_all(&entry.acl).into_iter().filter(|item| item.grantee != owner).map(uncertain));
        }
    }
    items
}

fn column_privileges(
    plan: &Plan<'_>,
    before: Oid,
    after: Option<Oid>,
    target: &Target<'_>,
    revoked: &BTreeSet<String>,
) -> Vec<String> {
    let mut found = Vec::new();
    for old in plan.before.columns_of(before) {
        let wanted = plan.before.column_details.get(&(before, old.number)).map_or(&[][..], |detail| &detail.acl[..]);
        let again =
            after.and_then(|after| plan.tables.get(&after)).is_some_and(|table| table.dropped.contains(&old.number));
        let current = match after {
            // Revoking a privilege on a table takes it from its columns, too.
            Some(after) if !again => {
                plan.after.column_details.get(&(after, old.number)).map_or(&[][..], |detail| &detail.acl[..])
            }
            _ => &[][..],
        };
        if wanted.is_empty() && current.is_empty() {
            continue;
        }
        let column = Target {
            object: target.object.clone(),
            column: Some(&old.name),
            prefix: String::new(),
            owner: target.owner,
        };
        let current: Vec<AclItem> =
            parse_all(current).into_iter().filter(|item| !revoked.contains(&item.grantee)).collect();
        found.extend(changes(&column, &current, &parse_all(wanted)).sql);
    }
    found
}

fn default_privileges(plan: &Plan<'_>, steps: &mut Vec<Step>) {
    let key = |entry: &DefaultPrivileges| (entry.role.clone(), entry.schema.clone(), entry.object_type);
    // At this point schemas have their names of before, and those the migration made took their entries along.
    let now: Vec<DefaultPrivileges> = plan
        .after
        .default_privileges
        .iter()
        .filter_map(|entry| {
            let Some(name) = &entry.schema else { return Some(entry.clone()) };
            let (oid, _) = plan.after.schemas.iter().find(|(_, schema)| schema.name == *name)?;
            let before = plan.pairing.before(Address::new(Class::Schema, *oid))?;
            let schema = Some(plan.before.schemas.get(&before.oid)?.name.clone());
            Some(DefaultPrivileges { schema, ..entry.clone() })
        })
        .collect();
    let mut keys: Vec<_> = plan.before.default_privileges.iter().chain(&now).map(key).collect();
    keys.sort();
    keys.dedup();
    for (role, schema, letter) in keys {
        let word = match letter {
            'S' => "SEQUENCES",
            'f' => "FUNCTIONS",
            'T' => "TYPES",
            'n' => "SCHEMAS",
            _ => "TABLES",
        };
        let of = |entries: &[DefaultPrivileges]| {
            let entry = entries.iter().find(|entry| key(entry) == (role.clone(), schema.clone(), letter));
            match entry {
                Some(entry) => parse_all(&entry.acl),
                None if schema.is_none() => defaults(word.trim_end_matches('S'), &role, plan.before.version),
                None => Vec::new(),
            }
        };
        let inside = schema.as_ref().map(|schema| format!("IN SCHEMA {} ", identifier(schema))).unwrap_or_default();
        let target = Target {
            object: word.to_owned(),
            column: None,
            prefix: format!("ALTER DEFAULT PRIVILEGES FOR ROLE {} {inside}", identifier(&role)),
            owner: &role,
        };
        let found = changes(&target, &of(&now), &of(&plan.before.default_privileges));
        steps.extend(found.sql.into_iter().map(|sql| Step::new("Privileges of objects yet to be made.", sql)));
    }
}

fn comment_of(catalog: &Catalog, address: Address) -> Option<String> {
    let oid = address.oid;
    match address.class {
        Class::Schema => catalog.schemas.get(&oid)?.comment.clone(),
        Class::Type => catalog.types.get(&oid)?.comment.clone(),
        Class::Function => catalog.functions.get(&oid)?.comment.clone(),
        Class::Relation => catalog.relation_details.get(&oid)?.comment.clone(),
        Class::Constraint => catalog.constraint_details.get(&oid)?.comment.clone(),
        Class::Trigger => catalog.triggers.get(&oid)?.comment.clone(),
        Class::Rule => catalog.rules.get(&oid)?.comment.clone(),
        Class::Policy => catalog.policies.get(&oid)?.comment.clone(),
        Class::Other(_) => catalog.others.get(&address)?.comment.clone(),
        Class::Default => None,
    }
}

fn comments(plan: &Plan<'_>, before: Address, after: Option<Address>, steps: &mut Vec<Step>) {
    let wanted = comment_of(plan.before, before);
    let current = after.and_then(|after| comment_of(plan.after, after));
    if wanted != current
        && let Some(name) = object(plan.before, before)
    {
        steps.push(Step::new(COMMENTS, comment(&name, wanted.as_deref())));
    }
    // Attributes of a composite type are columns of a relation that stands for it.
    let relation = |catalog: &Catalog, address: Address| match (address.class, catalog.types.get(&address.oid)) {
        (Class::Relation, _) => Some(address.oid),
        (Class::Type, Some(Type { kind: TypeKind::Composite(relation), .. })) => Some(*relation),
        _ => None,
    };
    let Some(old_relation) = relation(plan.before, before) else { return };
    let new_relation = after.and_then(|after| relation(plan.after, after));
    for old in plan.before.columns_of(old_relation) {
        let wanted =
            plan.before.column_details.get(&(old_relation, old.number)).and_then(|detail| detail.comment.clone());
        let again = new_relation
            .and_then(|after| plan.tables.get(&after))
            .is_some_and(|table| table.dropped.contains(&old.number));
        let current = new_relation
            .filter(|_| !again)
            .and_then(|after| plan.after.column_details.get(&(after, old.number)))
            .and_then(|detail| detail.comment.clone());
        if wanted != current {
            let name = format!("COLUMN {}.{}", plan.before.relation_name(old_relation), identifier(&old.name));
            steps.push(Step::new(COMMENTS, comment(&name, wanted.as_deref())));
        }
    }
}

fn comment(object: &str, text: Option<&str>) -> String {
    let text = text.map_or_else(|| "NULL".to_owned(), quote_literal);
    format!("COMMENT ON {object} IS {text};")
}
