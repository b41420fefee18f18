//! What was dropped or replaced is put back from the dump of before, in the dump's order.

use super::super::dump::reparsable;
use super::super::generate::Step;
use super::super::names::{describe, function_word, identifier, is_table, qualified};
use super::super::planner::Plan;
use super::drops::capitalised;
use super::others::{spelled, without_secrets};
use crate::snapshot::Oid;
use crate::snapshot::catalog::RelationKind;
use crate::snapshot::object::{Address, Class, Function, TypeKind};
use std::collections::BTreeSet;

/// The statements by phase.
#[derive(Default)]
pub(super) struct Restored {
    /// Schemas, types, functions, sequences, tables.
    pub early: Vec<Step>,
    /// What needs the columns to be back: ownership of sequences, identities, defaults of restored tables.
    pub after_columns: Vec<Step>,
    /// Everything that hangs on tables.
    pub late: Vec<Step>,
    /// Plain indexes, built without blocking anybody.
    pub outside: Vec<Step>,
}

/// Where a late statement stands: its stage, then its place in the dump.
type Place = (u8, usize);

const VIEWS: u8 = 0;
const CHECKS: u8 = 1;
/// Of several over the same columns, a foreign key takes the oldest.
const REFERENCED_INDEXES: u8 = 2;
const INDEXES: u8 = 3;
const ATTACHED_TABLES: u8 = 4;
const ATTACHED_INDEXES: u8 = 5;
const FOREIGN_KEYS: u8 = 6;
const OTHERS: u8 = 7;
/// Once every view says what it should: some stand as empty words until the key they need is there.
const FILLED: u8 = 8;

/// One way an entry of the dump is named.
type EntryName = (&'static str, Option<String>, String);

pub(super) fn restores(plan: &mut Plan<'_>) -> Restored {
    let late_objects = late_objects(plan);
    let over_keys = over_keys(plan);
    let stage_of_view = |address| if over_keys.contains(&address) { INDEXES } else { VIEWS };
    let mut early: Vec<(Place, Step)> = Vec::new();
    let mut after_columns: Vec<(Place, Step)> = Vec::new();
    let mut late: Vec<(Place, Step)> = Vec::new();
    let mut outside: Vec<(Place, Step)> = Vec::new();
    let mut missing = Vec::new();
    let replaced = replaced_functions(plan);
    for address in plan.restore.clone() {
        let why = why(plan, address);
        if let Some(sql) = validated_alone(plan, address) {
            late.push(((OTHERS, usize::MAX), Step::new(why, sql)));
            continue;
        }
        if let Some((stage, mut sql)) = own_words(plan, address) {
            if let Some(validation) = validation(plan, address) {
                sql = not_valid(&sql);
                outside.push(((1, 0), validation));
            }
            late.push(((stage, 0), Step::new(why, reparsable(&sql))));
            continue;
        }
        let names = entry_names(plan, address);
        let mut found = false;
        for (kind, schema, name) in names {
            let Some(index) = entry(plan, address, kind, schema.as_deref(), &name) else { continue };
            found = true;
            let mut text = plan.dump.entries[index].text.clone();
            // A body of a function is kept as it was written.
            if !["FUNCTION", "PROCEDURE"].contains(&kind) {
                text = reparsable(&text);
            }
            if kind == "FK CONSTRAINT"
                && let Some(validation) = validation(plan, address)
            {
                text = not_valid(&text);
                outside.push(((1, index), validation));
            }
            if kind == "USER MAPPING" {
                text = without_secrets(&text);
            }
            let step = Step::new(why.clone(), text);
            match kind {
                "TABLE ATTACH" if parent_survives(plan, address) => late.push(((ATTACHED_TABLES, index), step)),
                "INDEX ATTACH" => late.push(((ATTACHED_INDEXES, index), step)),
                "DEFAULT" if is_view(plan, address) => late.push(((OTHERS, index), step)),
                "DEFAULT" | "SEQUENCE OWNED BY" => after_columns.push(((1, index), step)),
                "SEQUENCE" if is_identity(plan, address) => after_columns.push(((0, index), step)),
                "FK CONSTRAINT" => late.push(((FOREIGN_KEYS, index), step)),
                "INDEX" if builds_alone(plan, address) => {
                    outside.push(((0, index), concurrently(plan, address, &step)));
                }
                // Of several that would do, a foreign key takes the oldest.
                "CONSTRAINT" | "INDEX" if is_referenced(plan, address) => {
                    late.push(((REFERENCED_INDEXES, index), step))
                }
                "CONSTRAINT" | "INDEX" | "STATISTICS" => late.push(((INDEXES, index), step)),
                "MATERIALIZED VIEW" => {
                    late.extend(refresh(plan, address).map(|sql| ((FILLED, index), Step::new(why.clone(), sql))));
                    late.push(((stage_of_view(address), index), step));
                }
                "VIEW" => late.push(((stage_of_view(address), index), step)),
                _ if is_early(plan, address) && kind != "ROW SECURITY" => {
                    if late_objects.contains(&address) {
                        late.push(((stage_of_view(address), index), step));
                    } else {
                        early.push(((0, index), step));
                    }
                }
                _ => late.push(((OTHERS, index), step)),
            }
        }
        if !found && !comes_along(plan, address) {
            let what = describe(plan.before, address);
            missing.push(match plan.before.indexes.get(&address.oid).filter(|index| !index.valid) {
                Some(_) => format!("{what} was invalid before: no statement makes an index that is"),
                None => format!("{what} cannot be put back: the dump does not have it"),
            });
        }
    }
    plan.unmodelled.extend(missing);
    let mut steps = replaced;
    steps.extend(sorted(early));
    Restored { early: steps, after_columns: sorted(after_columns), late: sorted(late), outside: sorted(outside) }
}

fn sorted(mut steps: Vec<(Place, Step)>) -> Vec<Step> {
    steps.sort_by(|left, right| left.0.cmp(&right.0).then_with(|| left.1.sql.cmp(&right.1.sql)));
    steps.into_iter().map(|(_, step)| step).collect()
}

fn why(plan: &Plan<'_>, address: Address) -> String {
    let what = capitalised(&describe(plan.before, address));
    match plan.pairing.after(address) {
        Some(_) => format!("{what}: as it was."),
        None => format!("{what}: dropped by the migration."),
    }
}

/// Functions replaced in place go back in place, so that nothing that uses them has to move.
fn replaced_functions(plan: &Plan<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (before, after) in plan.staying() {
        let (Some(old), Some(new)) = (plan.before.functions.get(&before.oid), plan.after.functions.get(&after.oid))
        else {
            continue;
        };
        if before.class == Class::Function
            && before.oid == after.oid
            && old.raw != new.raw
            && let Some(definition) = &old.definition
        {
            steps.push(Step::new(
                format!("{}: as it was.", capitalised(&describe(plan.before, before))),
                format!("{};", definition.trim_end()),
            ));
        }
    }
    steps
}

/// Constraints that a dump prints inside `CREATE TABLE` are written from the server's own words.
fn own_words(plan: &Plan<'_>, address: Address) -> Option<(u8, String)> {
    if address.class != Class::Constraint {
        return None;
    }
    let constraint = plan.before.constraints.get(&address.oid)?;
    let name = identifier(&constraint.name);
    if let Some(domain) = plan.before.constraint_details.get(&address.oid)?.domain {
        if plan.restore.contains(&Address::new(Class::Type, domain)) {
            return None;
        }
        let domain = &plan.before.types.get(&domain)?.qualified;
        return Some((VIEWS, format!("ALTER DOMAIN {domain} ADD CONSTRAINT {name} {};", constraint.definition)));
    }
    let table = constraint.table?;
    if constraint.kind != 'c' || constraint.inherited || plan.restores_relation(table) {
        return None;
    }
    Some((
        CHECKS,
        format!("ALTER TABLE {} ADD CONSTRAINT {name} {};", plan.before.relation_name(table), constraint.definition),
    ))
}

fn not_valid(statement: &str) -> String {
    format!("{} NOT VALID;", statement.trim_end().trim_end_matches(';'))
}

/// Rows are checked after the transaction, when nobody waits for it; none where the server cannot, and where a
/// constraint was not valid before. Domains are checked at once.
fn validation(plan: &Plan<'_>, address: Address) -> Option<Step> {
    let constraint = plan.before.constraints.get(&address.oid)?;
    let table = constraint.table?;
    let kind = plan.before.relations.get(&table)?.kind;
    let partitioned_key = constraint.kind == 'f' && kind == RelationKind::PartitionedTable;
    let enforced = !constraint.definition.ends_with("NOT ENFORCED");
    if !constraint.validated || !enforced || partitioned_key || kind == RelationKind::ForeignTable {
        return None;
    }
    Some(Step::new(
        "Every row is checked while the application goes on. Rows that do not satisfy it are to be put right first.",
        format!(
            "ALTER TABLE {} VALIDATE CONSTRAINT {};",
            plan.before.relation_name(table),
            identifier(&constraint.name)
        ),
    ))
}

/// An inherited rule that holds for all rows here although it does not for its parent's: it comes back with the parent's,
/// as unchecked as that.
fn validated_alone(plan: &Plan<'_>, address: Address) -> Option<String> {
    let constraint = plan.before.constraints.get(&address.oid).filter(|_| address.class == Class::Constraint)?;
    let table = constraint.table.filter(|_| constraint.kind == 'c' && constraint.inherited && constraint.validated)?;
    let parents = &plan.before.relation_details.get(&table)?.parents;
    let unchecked = plan.before.constraints.values().any(|found| {
        found.kind == 'c'
            && found.name == constraint.name
            && !found.validated
            && found.table.is_some_and(|found| parents.contains(&found))
    });
    unchecked.then(|| {
        format!(
            "ALTER TABLE {} VALIDATE CONSTRAINT {};",
            plan.before.relation_name(table),
            identifier(&constraint.name)
        )
    })
}

/// Whether something without an entry of its own is made by the entry of something else.
fn comes_along(plan: &Plan<'_>, address: Address) -> bool {
    let before = plan.before;
    match address.class {
        Class::Constraint => before.constraints.get(&address.oid).is_some_and(|constraint| {
            let domain = before.constraint_details.get(&address.oid).and_then(|detail| detail.domain);
            let with_domain = domain.is_some_and(|domain| plan.restore.contains(&Address::new(Class::Type, domain)));
            let with_table = constraint.table.is_some_and(|table| plan.restores_relation(table));
            constraint.inherited || with_domain || (matches!(constraint.kind, 'c' | 'n') && with_table)
        }),
        Class::Relation => before.indexes.get(&address.oid).is_some_and(|index| index.constraint.is_some()),
        Class::Trigger => before.triggers.get(&address.oid).is_some_and(|trigger| trigger.parent.is_some()),
        _ => false,
    }
}

/// Position of an entry in the dump. Operators, their classes and families may share a name with others.
fn entry(plan: &Plan<'_>, address: Address, kind: &str, schema: Option<&str>, name: &str) -> Option<usize> {
    let all = plan.dump.find_all(kind, schema, name);
    let other = plan.before.others.get(&address).filter(|_| all.len() > 1);
    let fits = |text: &str| match other.and_then(|other| Some((other, spelled(plan.before, address)?))) {
        Some((other, spelled)) if other.type_name == "operator" => {
            let argument = |word: &str| {
                text.lines()
                    .find_map(|line| line.trim().strip_prefix(word))
                    .map_or("NONE", |rest| rest.trim_end_matches(','))
            };
            let types = format!("({},{})", argument("LEFTARG = "), argument("RIGHTARG = "));
            types.replace("pg_catalog.", "") == spelled.suffix.replace("pg_catalog.", "")
        }
        Some((_, spelled)) => text.contains(spelled.suffix.trim_end()),
        None => true,
    };
    all.iter().copied().find(|index| fits(&plan.dump.entries[*index].text))
}

/// The words the dump makes an object with.
pub(super) fn entry_of(plan: &Plan<'_>, address: Address) -> Option<String> {
    let names = entry_names(plan, address);
    let found = names.into_iter().find_map(|(kind, schema, name)| entry(plan, address, kind, schema.as_deref(), &name));
    found.map(|index| plan.dump.entries[index].text.clone())
}

/// How the dump names an object's entries.
fn entry_names(plan: &Plan<'_>, address: Address) -> Vec<EntryName> {
    let before = plan.before;
    let oid = address.oid;
    let on = |table: Oid, name: &str| -> Option<(Option<String>, String)> {
        let relation = before.relations.get(&table)?;
        Some((Some(relation.schema.clone()), format!("{} {name}", relation.name)))
    };
    let one = |kind: &'static str, found: Option<(Option<String>, String)>| -> Vec<EntryName> {
        found.into_iter().map(|(schema, name)| (kind, schema, name)).collect()
    };
    match address.class {
        Class::Schema => one("SCHEMA", before.schemas.get(&oid).map(|schema| (None, schema.name.clone()))),
        Class::Type => match before.types.get(&oid) {
            Some(found) => {
                let kind = if matches!(found.kind, TypeKind::Domain { .. }) { "DOMAIN" } else { "TYPE" };
                one(kind, Some((Some(found.schema.clone()), found.name.clone())))
            }
            None => Vec::new(),
        },
        Class::Function => match before.functions.get(&oid) {
            Some(function) => one(
                function_word(function.kind),
                Some((Some(function.schema.clone()), format!("{}({})", function.name, arguments(function)))),
            ),
            None => Vec::new(),
        },
        Class::Relation => relation_entries(plan, oid),
        Class::Constraint => match before.constraints.get(&oid) {
            Some(constraint) => {
                let kind = match constraint.kind {
                    'f' => "FK CONSTRAINT",
                    'c' => "CHECK CONSTRAINT",
                    _ => "CONSTRAINT",
                };
                one(kind, constraint.table.and_then(|table| on(table, &constraint.name)))
            }
            None => Vec::new(),
        },
        Class::Trigger => one("TRIGGER", before.triggers.get(&oid).and_then(|found| on(found.table, &found.name))),
        Class::Rule => one("RULE", before.rules.get(&oid).and_then(|found| on(found.table, &found.name))),
        Class::Policy => one("POLICY", before.policies.get(&oid).and_then(|found| on(found.table, &found.name))),
        Class::Other(_) => other_entries(plan, address),
        Class::Default => Vec::new(),
    }
}

/// As in the header of a dump's entry: an aggregate without any has a star.
fn arguments(function: &Function) -> &str {
    if function.kind == 'a' && function.arguments.is_empty() { "*" } else { &function.arguments }
}

fn relation_entries(plan: &Plan<'_>, oid: Oid) -> Vec<EntryName> {
    let Some(relation) = plan.before.relations.get(&oid) else { return Vec::new() };
    let kinds: &[&'static str] = match relation.kind {
        RelationKind::Table | RelationKind::PartitionedTable => &["TABLE", "TABLE ATTACH", "ROW SECURITY"],
        RelationKind::ForeignTable => &["FOREIGN TABLE"],
        // A view that needs a constraint is printed twice: as a stand-in, and once more when the constraint is there.
        RelationKind::View => &["VIEW", "RULE"],
        RelationKind::MaterializedView => &["MATERIALIZED VIEW"],
        RelationKind::Sequence => &["SEQUENCE", "SEQUENCE OWNED BY"],
        RelationKind::Index | RelationKind::PartitionedIndex => {
            if plan.before.indexes.get(&oid).is_some_and(|index| index.constraint.is_some()) {
                &["INDEX ATTACH"]
            } else {
                &["INDEX", "INDEX ATTACH"]
            }
        }
        RelationKind::CompositeType | RelationKind::ToastTable => &[],
    };
    let schema = Some(relation.schema.clone());
    let mut names: Vec<EntryName> = kinds
        .iter()
        .map(|kind| match *kind {
            "RULE" => ("RULE", schema.clone(), format!("{} _RETURN", relation.name)),
            kind => (kind, schema.clone(), relation.name.clone()),
        })
        .collect();
    if is_table(relation.kind) || relation.kind == RelationKind::View {
        for column in plan.before.columns_of(oid) {
            names.push(("DEFAULT", schema.clone(), format!("{} {}", relation.name, column.name)));
        }
    }
    names
}

fn other_entries(plan: &Plan<'_>, address: Address) -> Vec<EntryName> {
    let Some(other) = plan.before.others.get(&address) else { return Vec::new() };
    let name = spelled(plan.before, address).map(|spelled| spelled.name).or(other.name.clone()).unwrap_or_default();
    let by = |kind: &'static str, schema: Option<String>, name: String| vec![(kind, schema, name)];
    match other.type_name.as_str() {
        "extension" => by("EXTENSION", None, name),
        "statistics object" => by("STATISTICS", other.schema.clone(), name),
        "publication" => by("PUBLICATION", None, name),
        "publication relation" => plan
            .before
            .dependencies
            .iter()
            .filter(|dependency| dependency.dependent == address && dependency.referenced.class == Class::Relation)
            .filter_map(|dependency| plan.before.relations.get(&dependency.referenced.oid))
            .filter_map(|table| {
                let publication = other.identity.rsplit_once(" in publication ")?.1;
                Some(("PUBLICATION TABLE", Some(table.schema.clone()), format!("{publication} {}", table.name)))
            })
            .take(1)
            .collect(),
        "publication namespace" => match other.identity.rsplit_once(" in publication ") {
            Some((schema, publication)) => {
                by("PUBLICATION TABLES IN SCHEMA", Some(schema.to_owned()), format!("{publication} {schema}"))
            }
            None => Vec::new(),
        },
        "event trigger" => by("EVENT TRIGGER", None, name),
        "cast" => by("CAST", None, format!("CAST {}", other.identity.replace("pg_catalog.", ""))),
        "collation" => by("COLLATION", other.schema.clone(), name),
        "conversion" => by("CONVERSION", other.schema.clone(), name),
        "operator" => by("OPERATOR", other.schema.clone(), name),
        "operator class" => by("OPERATOR CLASS", other.schema.clone(), name),
        "operator family" => by("OPERATOR FAMILY", other.schema.clone(), name),
        "text search configuration" => by("TEXT SEARCH CONFIGURATION", other.schema.clone(), name),
        "text search dictionary" => by("TEXT SEARCH DICTIONARY", other.schema.clone(), name),
        "text search parser" => by("TEXT SEARCH PARSER", other.schema.clone(), name),
        "text search template" => by("TEXT SEARCH TEMPLATE", other.schema.clone(), name),
        "foreign-data wrapper" => by("FOREIGN DATA WRAPPER", None, name),
        "server" => by("SERVER", None, name),
        "user mapping" => match other.identity.split_once(" on server ") {
            Some((role, server)) => by("USER MAPPING", None, format!("USER MAPPING {role} SERVER {server}")),
            None => Vec::new(),
        },
        "language" => by("PROCEDURAL LANGUAGE", None, name),
        "access method" => by("ACCESS METHOD", None, name),
        _ => Vec::new(),
    }
}

/// Whether an object is made before columns are: pg_dump's first section, views left out.
fn is_early(plan: &Plan<'_>, address: Address) -> bool {
    match address.class {
        Class::Schema | Class::Type | Class::Function => true,
        Class::Relation => plan
            .before
            .relations
            .get(&address.oid)
            .is_some_and(|relation| is_table(relation.kind) || relation.kind == RelationKind::Sequence),
        Class::Other(_) => plan.before.others.get(&address).is_some_and(|other| {
            !other.type_name.starts_with("publication")
                && !["statistics object", "event trigger", "subscription"].contains(&other.type_name.as_str())
        }),
        _ => false,
    }
}

/// Early objects that need a late one: functions over views, functions whose body is stored parsed.
fn late_objects(plan: &Plan<'_>) -> BTreeSet<Address> {
    let mut late: BTreeSet<Address> =
        plan.restore
            .iter()
            .copied()
            .filter(|address| {
                let view = plan.before.relations.get(&address.oid).is_some_and(|relation| {
                    matches!(relation.kind, RelationKind::View | RelationKind::MaterializedView)
                });
                let parsed = plan.before.functions.get(&address.oid).is_some_and(|function| function.parsed_body);
                (address.class == Class::Relation && view) || (address.class == Class::Function && parsed)
            })
            .collect();
    loop {
        let more: Vec<Address> = plan
            .before
            .dependencies
            .iter()
            .filter(|dependency| late.contains(&dependency.referenced.whole()))
            .map(|dependency| dependency.dependent.whole())
            .filter(|dependent| {
                plan.restore.contains(dependent) && is_early(plan, *dependent) && !late.contains(dependent)
            })
            .collect();
        if more.is_empty() {
            return late;
        }
        late.extend(more);
    }
}

/// What comes after a constraint because it needs it: a view that groups by a key without listing all it shows, and
/// whatever reads that one. A plain view does not wait where the dump has empty words that stand for it.
fn over_keys(plan: &Plan<'_>) -> BTreeSet<Address> {
    let waits = |address: Address| {
        let relation = plan.before.relations.get(&address.oid).filter(|_| address.class == Class::Relation);
        let stood_for = relation.is_some_and(|relation| {
            plan.dump.find("RULE", Some(&relation.schema), &format!("{} _RETURN", relation.name)).is_some()
        });
        plan.restore.contains(&address) && !stood_for && address.class != Class::Constraint
    };
    let needs = |found: &BTreeSet<Address>, referenced: Address| {
        found.contains(&referenced.whole())
            || (referenced.class == Class::Constraint && plan.restore.contains(&referenced))
    };
    let mut found = BTreeSet::new();
    loop {
        let more: Vec<Address> = plan
            .before
            .dependencies
            .iter()
            .filter(|dependency| needs(&found, dependency.referenced))
            .map(|dependency| dependency.dependent.whole())
            .filter(|dependent| waits(*dependent) && !found.contains(dependent))
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// Whether a foreign key of before relies on this index, or on the one behind this constraint.
fn is_referenced(plan: &Plan<'_>, address: Address) -> bool {
    let index = match address.class {
        Class::Constraint => plan.before.constraint_details.get(&address.oid).and_then(|detail| detail.index),
        _ => Some(address.oid),
    };
    plan.before.constraints.values().filter(|constraint| constraint.kind == 'f').any(|constraint| {
        index.is_some()
            && plan.before.constraint_details.get(&constraint.oid).is_some_and(|detail| detail.index == index)
    })
}

fn is_view(plan: &Plan<'_>, address: Address) -> bool {
    plan.before.relations.get(&address.oid).is_some_and(|relation| relation.kind == RelationKind::View)
}

fn is_identity(plan: &Plan<'_>, address: Address) -> bool {
    address.class == Class::Relation
        && plan.before.sequences.get(&address.oid).is_some_and(|sequence| sequence.identity)
}

fn parent_survives(plan: &Plan<'_>, address: Address) -> bool {
    let parent = plan.before.relations.get(&address.oid).and_then(|relation| relation.parent);
    parent.is_some_and(|parent| !plan.restores_relation(parent))
}

fn refresh(plan: &Plan<'_>, address: Address) -> Option<String> {
    let populated = plan.before.relation_details.get(&address.oid).is_some_and(|detail| detail.populated);
    populated.then(|| format!("REFRESH MATERIALIZED VIEW {};", plan.before.relation_name(address.oid)))
}

/// Whether an index can be built outside the transaction: nothing relies on it but speed.
fn builds_alone(plan: &Plan<'_>, address: Address) -> bool {
    let (Some(index), Some(detail)) =
        (plan.before.indexes.get(&address.oid), plan.before.index_details.get(&address.oid))
    else {
        return false;
    };
    let ordinary = plan.before.relations.get(&index.table).is_some_and(|table| table.kind == RelationKind::Table);
    plan.indexes_outside
        && ordinary
        && !index.unique
        && index.valid
        && detail.parent.is_none()
        && !detail.replica_identity
        && !detail.clustered
        && !plan.restores_relation(index.table)
}

fn concurrently(plan: &Plan<'_>, address: Address, step: &Step) -> Step {
    let (Some(relation), Some(detail)) =
        (plan.before.relations.get(&address.oid), plan.before.relation_details.get(&address.oid))
    else {
        return step.clone();
    };
    let name = qualified(&relation.schema, &relation.name);
    let literal = crate::engine::postgres::session::quote_literal(&name);
    let build =
        step.sql.replace("SET LOCAL ", "SET ").replacen("CREATE INDEX ", "CREATE INDEX CONCURRENTLY IF NOT EXISTS ", 1);
    let comment = detail
        .comment
        .as_ref()
        .map(|comment| {
            format!("\nCOMMENT ON INDEX {name} IS {};", crate::engine::postgres::session::quote_literal(comment))
        })
        .unwrap_or_default();
    Step::new(
        format!("{} A build that failed leaves an invalid index: drop it, then build.", step.why),
        format!(
            "DO $seatrial$\nBEGIN\n    IF EXISTS (SELECT FROM pg_catalog.pg_index WHERE indexrelid = pg_catalog.to_regclass({literal}) \
             AND NOT indisvalid) THEN\n        DROP INDEX {name};\n    END IF;\nEND\n$seatrial$;\n{build}{comment}"
        ),
    )
}

pub(super) fn is_built_outside(plan: &Plan<'_>, address: Address) -> bool {
    address.class == Class::Relation && plan.restore.contains(&address) && builds_alone(plan, address)
}
