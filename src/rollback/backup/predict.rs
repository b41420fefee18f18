//! What the migration's own statements make of the rows there are, as a query over the rows before.
//!
//! Where a statement reads nothing but the row it changes, and gives the same answer whenever it is asked, `prepare.sql`
//! can tell on production's rows which ones the migration is going to change, and into what. So only those are saved,
//! and `rollback.sql` knows a value that is still the migration's from one written since. Nothing is taken on trust: on
//! the copy every predicted row must be found as predicted, or the scripts are written without it.

use super::super::names::{identifier, identifiers};
use super::super::planner::{Plan, TablePlan};
use super::possible::{Cascade, Change};
use super::statement::{Target, Written};
use crate::migration::script::lexer::TokenKind;
use crate::migration::script::words::words;
use crate::snapshot::Oid;
use crate::snapshot::catalog::{Catalog, Column, RelationKind};
use crate::snapshot::object::{Address, Class};
use std::collections::BTreeSet;

/// What statements do to one table, read from their text.
pub(super) struct Reach {
    /// In the order they ran.
    pub statements: Vec<Written>,
    /// Attribute numbers, before, of the columns they assign.
    pub assigned: BTreeSet<i16>,
    /// Rows go.
    pub deletes: bool,
}

/// Reads what changed a table; none where something else than its own statements may have had a hand in it.
pub(super) fn reach(plan: &Plan<'_>, table: &TablePlan, change: &Change) -> Option<Reach> {
    if has_helpers(plan, table) || change.unread {
        return None;
    }
    let (change, statements) = (&change.seen, change.read.clone());
    let mut reach = Reach { statements: Vec::new(), assigned: BTreeSet::new(), deletes: false };
    let (mut updates, mut inserts) = (false, false);
    for statement in &statements {
        if !statement.targets().iter().any(|target| is_of(plan, table, target)) {
            return None;
        }
        match statement {
            Written::Update { assigned, .. } => {
                updates = true;
                for (name, _) in assigned {
                    reach.assigned.extend(numbers(plan, table, name));
                }
            }
            Written::Delete { .. } | Written::Truncate { .. } => reach.deletes = true,
            Written::Insert { overwrites, .. } => {
                inserts = true;
                if *overwrites {
                    return None;
                }
            }
        }
    }
    // A row that moves to another partition is deleted here and inserted there.
    let moves = updates && change.deleted == change.inserted;
    let explained = (change.updated == 0 || updates)
        && (change.deleted == 0 || reach.deletes || moves)
        && (change.inserted == 0 || inserts || moves);
    reach.statements = statements;
    explained.then_some(reach)
}

/// Whether triggers or rules of the table can do more than a statement says.
pub(super) fn has_helpers(plan: &Plan<'_>, table: &TablePlan) -> bool {
    let helps = |catalog: &Catalog, oid: Oid| {
        let mut all = catalog.triggers.values().chain(catalog.rules.values());
        all.any(|found| found.table == oid && found.enabled != 'D')
    };
    helps(plan.before, table.before) || helps(plan.after, table.after)
}

/// Columns of before that statements convert by an expression: casts lead back from it by chance at most.
pub(super) fn converted_by_expression(plan: &Plan<'_>, table: &TablePlan, statements: &[String]) -> BTreeSet<i16> {
    statements
        .iter()
        .flat_map(|sql| super::statement::converted_by_expression(sql))
        .filter(|(target, _)| is_of(plan, table, target))
        .flat_map(|(_, column)| numbers(plan, table, &column))
        .filter(|number| !table.dropped.contains(number))
        .collect()
}

/// Whether a statement that names this target writes to the table: it is the table, or one it is a part of.
fn is_of(plan: &Plan<'_>, table: &TablePlan, target: &Target) -> bool {
    let named = |catalog: &Catalog, oid: Oid| {
        let mut next = Some(oid);
        while let Some(relation) = next.and_then(|oid| catalog.relations.get(&oid)) {
            let schema = target.schema.as_ref().is_none_or(|schema| *schema == relation.schema);
            if schema && relation.name == target.name {
                return true;
            }
            next = relation.parent.filter(|_| !target.only);
        }
        false
    };
    named(plan.before, table.before) || named(plan.after, table.after)
}

/// The columns of before that a name may mean while the migration runs. Columns the migration adds go again: there is
/// nothing of before in them.
fn numbers(plan: &Plan<'_>, table: &TablePlan, name: &str) -> Vec<i16> {
    let find = |catalog: &Catalog, oid: Oid| {
        catalog.columns_of(oid).find(|column| column.name == name).map(|column| column.number)
    };
    let (old, new) = (find(plan.before, table.before), find(plan.after, table.after));
    if old.is_none() && new.is_none() {
        // It came and went meanwhile, or is a column of before on its way from one name to another.
        let renamed = plan.before.columns_of(table.before).filter(|column| {
            plan.after.columns.get(&(table.after, column.number)).is_some_and(|now| now.name != column.name)
        });
        return renamed.map(|column| column.number).collect();
    }
    let added = |number: &i16| table.added.contains(number) && !table.dropped.contains(number);
    old.into_iter().chain(new.filter(|number| !added(number))).collect()
}

/// The rows a table's statements change, with what becomes of them.
pub(super) struct Effect {
    /// `SELECT` that gives, for each such row, its saved columns, `seatrial_migrated` and `seatrial_deleted`.
    pub query: String,
    /// Columns with an element in `seatrial_migrated`, in order.
    pub assigned: Vec<String>,
}

/// A column that is the same before and after, and means the same to every statement in between.
pub(super) fn stays<'c>(plan: &Plan<'c>, table: &TablePlan, name: &str) -> Option<&'c Column> {
    let column = plan.before.columns_of(table.before).find(|column| column.name == name)?;
    let number = column.number;
    let now = plan.after.columns.get(&(table.after, number))?;
    let same = now.name == column.name
        && now.type_name == column.type_name
        && !table.retyped.contains(&number)
        && !table.dropped.contains(&number);
    same.then_some(column)
}

/// Puts the statements one upon the other. `saved` are the columns the backup takes, as they are written in a select
/// list after the row's name; none where one of the statements needs more than its row.
pub(super) fn effect(
    plan: &Plan<'_>,
    table: &TablePlan,
    reach: &Reach,
    volatile: &BTreeSet<String>,
    saved: &[super::SavedColumn],
) -> Option<Effect> {
    let simple = Simple { plan, table, volatile };
    let mut needed: BTreeSet<i16> = reach.assigned.clone();
    let changing: Vec<&Written> =
        reach.statements.iter().filter(|statement| !matches!(statement, Written::Insert { .. })).collect();
    for statement in &changing {
        match statement {
            Written::Update { target, assigned, condition, joined } => {
                for (name, value) in assigned {
                    // What is assigned to a column that goes again, or is saved by itself, matters to nobody.
                    if !numbers(plan, table, name).iter().any(|number| reach.assigned.contains(number)) {
                        continue;
                    }
                    let column = stays(plan, table, name)?;
                    needed.insert(column.number);
                    needed.extend(simple.columns(value.as_ref()?, target)?);
                }
                if *joined {
                    return None;
                }
                needed.extend(simple.columns(condition.as_deref().unwrap_or_default(), target)?);
            }
            Written::Delete { target, condition, joined } => {
                if *joined {
                    return None;
                }
                needed.extend(simple.columns(condition.as_deref().unwrap_or_default(), target)?);
            }
            Written::Truncate { .. } | Written::Insert { .. } => {}
        }
    }
    let columns: Vec<&Column> =
        needed.iter().map(|number| plan.before.columns.get(&(table.before, *number))).collect::<Option<_>>()?;
    let names = identifiers(columns.iter().map(|column| &column.name));
    let listed = if names.is_empty() { String::new() } else { format!("{names}, ") };
    let partitioned =
        plan.before.relations.get(&table.before).is_some_and(|found| found.kind == RelationKind::PartitionedTable);
    let mut query = format!(
        "SELECT seatrial_row AS seatrial_before, {listed}false AS seatrial_deleted\n        FROM {}{} AS seatrial_row",
        // A partitioned table has no rows of its own.
        if partitioned { "" } else { "ONLY " },
        plan.before.relation_name(table.before)
    );
    for statement in &changing {
        query = layer(&columns, statement, &query);
    }
    let assigned: Vec<&Column> =
        columns.iter().filter(|column| reach.assigned.contains(&column.number)).copied().collect();
    let now: Vec<String> = assigned.iter().map(|column| format!("{}::text", identifier(&column.name))).collect();
    let then: Vec<String> =
        assigned.iter().map(|column| format!("(seatrial_before).{}::text", identifier(&column.name))).collect();
    let mut kept: Vec<String> = saved.iter().map(|column| column.selected_from("(seatrial_before).")).collect();
    if !now.is_empty() {
        kept.push(format!("ARRAY[{}] AS seatrial_migrated", now.join(", ")));
    }
    kept.push("seatrial_deleted".to_owned());
    let mut changed = vec!["seatrial_deleted".to_owned()];
    if !now.is_empty() {
        changed.push(format!("ROW({}) IS DISTINCT FROM ROW({})", now.join(", "), then.join(", ")));
    }
    let query = format!(
        "SELECT {}\n    FROM (\n        {query}) AS seatrial_effect\n    WHERE {}",
        kept.join(", "),
        changed.join(" OR ")
    );
    Some(Effect { query, assigned: assigned.iter().map(|column| column.name.clone()).collect() })
}

/// A column as an `UPDATE` leaves it, in a list that is selected from the rows before.
pub(super) fn updated(column: &Column, assigned: &[(String, Option<String>)], condition: Option<&str>) -> String {
    let name = identifier(&column.name);
    let value = assigned.iter().find(|(assigned, _)| *assigned == column.name);
    match (value.and_then(|(_, value)| value.as_ref()), condition) {
        (Some(value), Some(condition)) => {
            format!("CASE WHEN ({condition}) THEN ({value})::{} ELSE {name} END AS {name}", column.type_name)
        }
        (Some(value), None) => format!("({value})::{} AS {name}", column.type_name),
        (None, _) => name,
    }
}

/// One statement over the rows the ones before it left.
fn layer(columns: &[&Column], statement: &Written, rows: &str) -> String {
    let (assigned, condition): (&[_], _) = match statement {
        Written::Update { assigned, condition, .. } => (assigned, condition.as_deref()),
        _ => (&[], None),
    };
    let deleted = match statement {
        Written::Update { .. } => "seatrial_deleted".to_owned(),
        Written::Delete { condition: Some(condition), .. } => {
            format!("seatrial_deleted OR coalesce(({condition}), false)")
        }
        Written::Delete { condition: None, .. } | Written::Truncate { .. } => "true".to_owned(),
        Written::Insert { .. } => return rows.to_owned(),
    };
    let Some(target) = statement.targets().first() else { return rows.to_owned() };
    let each = columns.iter().map(|column| updated(column, assigned, condition));
    let list: Vec<String> = std::iter::once("seatrial_before".to_owned()).chain(each).collect();
    format!(
        "SELECT {}, {deleted} AS seatrial_deleted\n        FROM ({rows}) AS {}",
        list.join(", "),
        identifier(&target.alias)
    )
}

/// Stands for the name of a table's backup until that is known.
pub(super) fn backup_of(table: Oid) -> String {
    format!("seatrial_backup_of_{table}_")
}

/// The rows that refer to rows that go, with so many columns that become null.
pub(super) fn taken_along(
    plan: &Plan<'_>,
    table: &TablePlan,
    cascade: &Cascade,
    saved: &[super::SavedColumn],
    nulls: usize,
) -> String {
    let partitioned =
        plan.before.relations.get(&table.before).is_some_and(|found| found.kind == RelationKind::PartitionedTable);
    let mut kept: Vec<String> = saved.iter().map(|column| column.selected_from("t.")).collect();
    if nulls > 0 {
        kept.push(format!("ARRAY[{}]::text[] AS seatrial_migrated", vec!["NULL"; nulls].join(", ")));
    }
    kept.push(format!("{} AS seatrial_deleted", nulls == 0));
    let pairs: Vec<String> = cascade
        .pairs
        .iter()
        .map(|(own, other)| format!("b.{}::text = t.{}::text", identifier(other), identifier(own)))
        .collect();
    format!(
        "SELECT {}\n    FROM {}{} AS t\n    WHERE EXISTS (SELECT FROM {} AS b WHERE b.seatrial_deleted AND {})",
        kept.join(", "),
        if partitioned { "" } else { "ONLY " },
        plan.before.relation_name(table.before),
        backup_of(cascade.parent),
        pairs.join(" AND ")
    )
}

/// Reads expressions of statements.
pub(super) struct Simple<'a, 'p> {
    pub plan: &'a Plan<'p>,
    pub table: &'a TablePlan,
    pub volatile: &'a BTreeSet<String>,
}

/// Words that stand for the moment, the session or other rows.
const NOT_OF_THE_ROW: [&str; 14] = [
    "select",
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "current_user",
    "session_user",
    "user",
    "current_role",
    "current_catalog",
    "current_schema",
    "system_user",
    "default",
];

/// Strings that become another moment each time they are read.
const MOMENTS: [&str; 5] = ["now", "today", "tomorrow", "yesterday", "allballs"];

impl Simple<'_, '_> {
    /// The columns an expression reads; none where it reads anything else, or a column the migration changes.
    pub(super) fn columns(&self, expression: &str, target: &Target) -> Option<BTreeSet<i16>> {
        let all = words(expression);
        let mut found = BTreeSet::new();
        for (at, word) in all.iter().enumerate() {
            if word.kind == TokenKind::Parameter {
                return None;
            }
            if word.kind == TokenKind::String {
                let literal = word.text.trim_matches('\'').trim().to_lowercase();
                if MOMENTS.contains(&literal.as_str()) {
                    return None;
                }
            }
            let Some(name) = word.name() else { continue };
            let keyword = word.kind == TokenKind::Word && NOT_OF_THE_ROW.contains(&name.as_str());
            let dotted = |at: usize| all.get(at).is_some_and(|word| word.text == ".");
            let before_dot = dotted(at + 1);
            let after_dot = at > 0 && dotted(at - 1);
            let called = all.get(at + 1).is_some_and(|next| next.text == "(");
            if keyword || (called && self.volatile.contains(&name)) || (before_dot && after_dot) {
                return None;
            }
            if called {
                continue;
            }
            if before_dot {
                // A schema before a function's or a type's name is no harm; another table's column would be.
                if name != target.alias && !self.is_schema(&name) {
                    return None;
                }
                continue;
            }
            let is_type = at > 0 && all[at - 1].text == "::";
            let known = |catalog: &Catalog, oid: Oid| catalog.columns_of(oid).any(|column| column.name == name);
            if known(self.plan.before, self.table.before) || known(self.plan.after, self.table.after) {
                if is_type {
                    continue;
                }
                let column = stays(self.plan, self.table, &name)?;
                if column.generated.is_some() {
                    return None;
                }
                found.insert(column.number);
            } else if name == target.alias && !is_type {
                // The whole row.
                return None;
            }
        }
        Some(found)
    }

    /// Whether a query gives the same answer as long as nobody writes.
    pub(super) fn repeats(&self, query: &str) -> bool {
        let all = words(query);
        all.iter().enumerate().all(|(at, word)| {
            let called = all.get(at + 1).is_some_and(|next| next.text == "(");
            let moment = word.kind == TokenKind::String
                && MOMENTS.contains(&word.text.trim_matches('\'').trim().to_lowercase().as_str());
            let moving = word.name().is_some_and(|name| {
                let keyword =
                    word.kind == TokenKind::Word && name != "select" && NOT_OF_THE_ROW.contains(&name.as_str());
                keyword || (called && self.volatile.contains(&name))
            });
            word.kind != TokenKind::Parameter && !moment && !moving
        })
    }

    fn is_schema(&self, name: &str) -> bool {
        name == "pg_catalog" || self.plan.before.schemas.values().any(|schema| schema.name == name)
    }
}

/// The sequence a column takes its values from by default.
pub(super) fn sequence_of(plan: &Plan<'_>, table: &TablePlan, number: i16) -> Option<Oid> {
    let owned = |catalog: &Catalog, oid: Oid| {
        catalog.sequences.iter().find(|(_, sequence)| sequence.owned_by == Some((oid, number))).map(|(oid, _)| *oid)
    };
    let sequence = owned(plan.before, table.before)?;
    let still = plan.pairing.after(Address::new(Class::Relation, sequence)).map(|after| after.oid);
    let rising = plan.before.sequences.get(&sequence).is_some_and(|found| found.increment > 0 && !found.cycle);
    (rising && owned(plan.after, table.after) == still).then_some(sequence)
}
