//! Rows the migration's statements add, told before they run.
//!
//! A value that is the same whenever it is asked for is told; the time, chance and numbers of sequences are not. What is
//! told of a row finds it again, beside its key where that is told as well. Updates that follow are put upon it.

use super::super::names::{identifier, identifiers};
use super::super::planner::{Plan, TablePlan};
use super::decide::{new_save, saved_column, surviving_key};
use super::lookups::{Lookups, PLACE};
use super::possible::{Change, Reads};
use super::predict::{self, Simple, stays};
use super::references::{referrers, refers_to_itself};
use super::statement::{Target, Written, select_items};
use super::{Added, Save, SaveKind, SavedColumn};
use crate::snapshot::catalog::{Column, RelationKind};
use crate::snapshot::object::TypeKind;
use std::collections::BTreeSet;

/// Notes rows of a table that its statements add.
pub(super) fn added_rows(
    plan: &Plan<'_>,
    table: &TablePlan,
    change: &Change,
    volatile: &BTreeSet<String>,
    found: &mut Vec<Save>,
) {
    if predict::has_helpers(plan, table) {
        return;
    }
    for at in 0..change.read.len() {
        let rows = Rows { simple: Simple { plan, table, volatile }, change, at };
        if let Some(told) = rows.told() {
            found.extend(save(plan, &rows, told));
        }
    }
}

/// What is known of the rows one statement adds.
struct Told<'c> {
    /// Columns whose values are told.
    columns: Vec<&'c Column>,
    /// Columns of which they are not.
    untold: Vec<&'c Column>,
    /// The statement itself gives one of the values that are told.
    by_itself: bool,
    /// `SELECT` that gives the told columns of each row.
    query: String,
}

fn save(plan: &Plan<'_>, rows: &Rows<'_, '_>, told: Told<'_>) -> Option<Save> {
    let table = rows.simple.table;
    let before = table.before;
    let (place, reads) = rows.change.reads.get(rows.at)?;
    let reads = match reads {
        Reads::Nothing => Vec::new(),
        Reads::Added(added) => added.clone(),
        Reads::Changed => return None,
    };
    let stays = rows.change.read.iter().skip(rows.at + 1).all(|later| matches!(later, Written::Insert { .. }));
    let numbers: Vec<i16> = told.columns.iter().map(|column| column.number).collect();
    let columns: Vec<SavedColumn> =
        numbers.iter().filter_map(|number| saved_column(plan.before, before, *number, false)).collect();
    // Without a key, rows that are equal in everything are told apart by nobody.
    let keys = surviving_key(plan, table, &BTreeSet::new()).unwrap_or_default();
    let given = !keys.is_empty() && keys.iter().all(|key| columns.iter().any(|column| column.name == key.name));
    if !given && !told.by_itself {
        return None;
    }
    let numbered = match keys.as_slice() {
        [key] if !given => {
            let number = told.untold.iter().find(|column| column.name == key.name).map(|column| column.number);
            let sequence = number.and_then(|number| predict::sequence_of(plan, table, number));
            sequence.map(|sequence| (key.clone(), plan.before.relation_name(sequence)))
        }
        _ => None,
    };
    let identity = (!given && numbered.is_none()).then(|| identity(plan, table, &keys));
    let is_key = |column: &&&Column| keys.iter().any(|key| key.name == column.name);
    let untold = told.untold.iter().filter(|column| !is_key(column)).map(|column| column.name.clone()).collect();
    let referrers = referrers(plan, before);
    let chained = refers_to_itself(plan, before) && !keys.is_empty();
    let lookups = Lookups { statement: (before, rows.at), place: *place, reads, stays, ..Lookups::default() };
    let (query, alike) = (told.query, Vec::new());
    let kind = SaveKind::Added(Added { keys, numbered, identity, untold, query, alike, referrers, chained, lookups });
    new_save(plan, before, kind, numbers, columns)
}

/// What tells a row `t` from others: its key, or else all of it that stays.
fn identity(plan: &Plan<'_>, table: &TablePlan, keys: &[SavedColumn]) -> String {
    let all: Vec<String> = match keys {
        [] => {
            let staying =
                plan.before.columns_of(table.before).filter(|column| stays(plan, table, &column.name).is_some());
            staying.map(|column| column.name.clone()).collect()
        }
        keys => keys.iter().map(|key| key.name.clone()).collect(),
    };
    let each: Vec<String> = all.iter().map(|name| format!("t.{}::text", identifier(name))).collect();
    format!("md5(ROW({})::text)", each.join(", "))
}

/// Reads one statement among those that change a table.
struct Rows<'a, 'p> {
    simple: Simple<'a, 'p>,
    change: &'a Change,
    at: usize,
}

impl<'c> Rows<'_, 'c> {
    fn told(&self) -> Option<Told<'c>> {
        let (plan, table) = (self.simple.plan, self.simple.table);
        let Written::Insert { target, columns: named, rows, query, keeps_existing, overwrites } =
            self.change.read.get(self.at)?
        else {
            return None;
        };
        let items = query.as_ref().and_then(|query| select_items(query));
        let given =
            rows.as_ref().and_then(|rows| rows.first()).map(Vec::len).or(items.as_ref().map(|found| found.0.len()));
        let listed = self.listed(named, given)?;
        let mut told = match (rows, query) {
            (Some(rows), _) => self.values(&listed, rows)?,
            (None, Some(query)) => self.selected(&listed, query, items)?,
            (None, None) => return None,
        };
        let unlisted = plan.before.columns_of(table.before).filter(|column| !listed.contains(&column.name));
        let mut defaults = Vec::new();
        for column in unlisted.filter(|column| column.generated.is_none()) {
            let Some(column) = stays(plan, table, &column.name) else { continue };
            match self.default(column, target) {
                Some(value) => {
                    defaults.push(format!("({value})::{} AS {}", column.type_name, identifier(&column.name)));
                    told.columns.push(column);
                }
                None => told.untold.push(column),
            }
        }
        if !defaults.is_empty() {
            told.query = format!(
                "SELECT seatrial_given.*, {}\n        FROM ({}) AS seatrial_given",
                defaults.join(", "),
                told.query
            );
        }
        if *keeps_existing || *overwrites {
            told.query = self.not_there(&told)?;
        }
        let mut told = self.later(told)?;
        told.by_itself = told.columns.iter().any(|column| listed.contains(&column.name));
        Some(told)
    }

    /// Names of the columns a statement gives values for.
    fn listed(&self, named: &[String], given: Option<usize>) -> Option<Vec<String>> {
        let (plan, table) = (self.simple.plan, self.simple.table);
        if !named.is_empty() {
            return Some(named.to_vec());
        }
        // A shorter list leaves the last columns out.
        let unchanged = table.added.is_empty() && table.dropped.is_empty();
        let all = plan.before.columns_of(table.before).map(|column| column.name.clone());
        let given = given?;
        unchanged.then(|| all.take(given).collect())
    }

    /// A listed column of before that means the same throughout.
    fn column(&self, name: &str) -> Option<&'c Column> {
        stays(self.simple.plan, self.simple.table, name).filter(|column| column.generated.is_none())
    }

    /// An expression of a row that is added: the same whenever it is asked for as long as nobody writes.
    fn repeats(&self, value: &str) -> bool {
        !value.eq_ignore_ascii_case("default") && self.simple.repeats(value)
    }

    /// An expression that reads no row, and is the same whenever it is asked for.
    fn is_constant(&self, value: &str, target: &Target) -> bool {
        !value.eq_ignore_ascii_case("default")
            && self.simple.columns(value, target).is_some_and(|columns| columns.is_empty())
    }

    fn values(&self, listed: &[String], rows: &[Vec<String>]) -> Option<Told<'c>> {
        let mut told = Told { columns: Vec::new(), untold: Vec::new(), by_itself: false, query: String::new() };
        let mut places = Vec::new();
        if rows.iter().any(|row| row.len() != listed.len()) {
            return None;
        }
        for (place, name) in listed.iter().enumerate() {
            let Some(column) = self.column(name) else { continue };
            let each = rows.iter().filter_map(|row| row.get(place));
            if each.into_iter().all(|value| self.repeats(value)) {
                told.columns.push(column);
                places.push(place);
            } else {
                told.untold.push(column);
            }
        }
        told.by_itself = !places.is_empty();
        let selects: Vec<String> = rows
            .iter()
            .map(|row| {
                let values: Vec<String> = places
                    .iter()
                    .zip(&told.columns)
                    .filter_map(|(place, column)| {
                        let value = row.get(*place)?;
                        Some(format!("({value})::{} AS {}", column.type_name, identifier(&column.name)))
                    })
                    .collect();
                format!("SELECT {}", values.join(", "))
            })
            .collect();
        told.query = format!("{PLACE}{}", selects.join("\n        UNION ALL "));
        told.by_itself.then_some(told)
    }

    /// What it reads are other tables' rows, as they are right before the migration.
    fn selected(&self, listed: &[String], query: &str, items: Option<(Vec<String>, String)>) -> Option<Told<'c>> {
        let mut told = Told { columns: Vec::new(), untold: Vec::new(), by_itself: false, query: query.to_owned() };
        let mut unknown = BTreeSet::new();
        if !self.simple.repeats(query) {
            let (items, rest) =
                items.filter(|(items, rest)| items.len() == listed.len() && self.simple.repeats(rest))?;
            let mut known = Vec::new();
            for (item, name) in items.iter().zip(listed) {
                let repeats = self.simple.repeats(item);
                known.push(if repeats { item.clone() } else { "NULL".to_owned() });
                if !repeats {
                    unknown.insert(name);
                }
            }
            told.query = format!("SELECT {} {rest}", known.join(", "));
        }
        let mut typed = Vec::new();
        for name in listed {
            let Some(column) = self.column(name) else { continue };
            if unknown.contains(name) {
                told.untold.push(column);
            } else {
                typed.push(format!("{0}::{1} AS {0}", identifier(name), column.type_name));
                told.columns.push(column);
            }
        }
        told.by_itself = !typed.is_empty();
        told.query = format!(
            "SELECT {} FROM (\n        {PLACE}{}) AS seatrial_rows ({})",
            typed.join(", "),
            told.query,
            identifiers(listed)
        );
        told.by_itself.then_some(told)
    }

    /// What a column holds that no value is given for.
    fn default(&self, column: &Column, target: &Target) -> Option<String> {
        let (plan, table) = (self.simple.plan, self.simple.table);
        let now = plan.after.columns.get(&(table.after, column.number))?;
        if column.identity.is_some() || now.identity.is_some() || now.default != column.default {
            return None;
        }
        let detail = plan.before.column_details.get(&(table.before, column.number))?;
        // A domain may have a default of its own.
        let domain =
            plan.before.types.get(&detail.type_oid).is_some_and(|found| matches!(found.kind, TypeKind::Domain { .. }));
        match &column.default {
            None => (!domain).then(|| "NULL".to_owned()),
            Some(value) => self.is_constant(value, target).then(|| value.clone()),
        }
    }

    /// The query without rows whose place is taken: those are not added.
    fn not_there(&self, told: &Told<'_>) -> Option<String> {
        let (plan, table) = (self.simple.plan, self.simple.table);
        let only = if plan.before.relations.get(&table.before)?.kind == RelationKind::Table { "ONLY " } else { "" };
        let mut there = format!("{only}{}", plan.before.relation_name(table.before));
        let mut moved: BTreeSet<&String> = BTreeSet::new();
        for earlier in self.change.read.iter().take(self.at) {
            match earlier {
                Written::Truncate { .. } => return Some(told.query.clone()),
                Written::Delete { joined: true, .. } => return None,
                Written::Delete { target, condition, .. } => {
                    let condition = condition.as_deref().unwrap_or("true");
                    self.simple.columns(condition, target)?;
                    there = format!(
                        "(SELECT * FROM {there} AS {} WHERE NOT coalesce(({condition}), false))",
                        identifier(&target.alias)
                    );
                }
                Written::Update { assigned, .. } => moved.extend(assigned.iter().map(|(name, _)| name)),
                Written::Insert { .. } => {}
            }
        }
        let mut query = told.query.clone();
        for index in plan.before.indexes.values().filter(|index| index.table == table.before && index.unique) {
            let expressions = plan.before.index_details.get(&index.oid).is_none_or(|detail| detail.has_expressions);
            if expressions || index.predicate.is_some() {
                return None;
            }
            let keys = &index.keys[..index.key_count.min(index.keys.len())];
            if keys.iter().any(|key| moved.contains(key)) {
                return None;
            }
            // A number or a value by chance is not taken.
            if keys.iter().all(|key| told.columns.iter().any(|column| column.name == *key)) {
                let equal: Vec<String> =
                    keys.iter().map(|key| format!("seatrial_there.{0} = seatrial_new.{0}", identifier(key))).collect();
                query = format!(
                    "SELECT seatrial_new.* FROM ({query}) AS seatrial_new\n        WHERE NOT EXISTS (SELECT FROM {there} AS \
                     seatrial_there WHERE {})",
                    equal.join(" AND ")
                );
            }
        }
        Some(query)
    }

    /// Statements that follow change the rows again, or take them out.
    fn later(&self, mut told: Told<'c>) -> Option<Told<'c>> {
        for later in self.change.read.iter().skip(self.at + 1) {
            match later {
                Written::Update { target, assigned, condition, joined } => {
                    let condition = condition.as_deref();
                    let sees = |text: &str, told: &Told<'_>| self.sees(text, target, told);
                    let taken = !joined && sees(condition.unwrap_or_default(), &told);
                    let is_told = |name: &String| {
                        let value = assigned.iter().find(|(assigned, _)| assigned == name);
                        value.is_none_or(|(_, value)| taken && value.as_ref().is_some_and(|value| sees(value, &told)))
                    };
                    let lost: Vec<&Column> =
                        told.columns.iter().filter(|column| !is_told(&column.name)).copied().collect();
                    told.columns.retain(|column| !lost.iter().any(|lost| lost.number == column.number));
                    told.untold.extend(lost);
                    let updated = |column: &&Column| predict::updated(column, assigned, condition);
                    let list: Vec<String> = told.columns.iter().map(updated).collect();
                    let alias = identifier(&target.alias);
                    told.query = format!("SELECT {}\n        FROM ({}) AS {alias}", list.join(", "), told.query);
                }
                Written::Delete { target, condition, joined } => {
                    let condition = condition.as_deref().filter(|_| !joined)?;
                    if !self.sees(condition, target, &told) {
                        return None;
                    }
                    let alias = identifier(&target.alias);
                    told.query = format!(
                        "SELECT *\n        FROM ({}) AS {alias} WHERE NOT coalesce(({condition}), false)",
                        told.query
                    );
                }
                Written::Truncate { .. } | Written::Insert { overwrites: true, .. } => return None,
                Written::Insert { .. } => {}
            }
        }
        (!told.columns.is_empty()).then_some(told)
    }

    /// Whether an expression reads nothing but what is told.
    fn sees(&self, expression: &str, target: &Target, told: &Told<'_>) -> bool {
        self.simple
            .columns(expression, target)
            .is_some_and(|read| read.iter().all(|number| told.columns.iter().any(|column| column.number == *number)))
    }
}
