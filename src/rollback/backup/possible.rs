//! Which tables a migration's statements can change, whether or not the copy had rows for them to change.
//!
//! The copy's rows are not production's: a condition that took nothing here may take something there, in another
//! partition, in a table that inherits, or through a foreign key that cascades.

use super::super::generate::ChangedTable;
use super::super::planner::Plan;
use super::statement::{Target, Written, merged, target_of, written};
use crate::migration::script::words::{Word, words};
use crate::snapshot::Oid;
use crate::snapshot::catalog::{Catalog, Relation, RelationKind};
use crate::snapshot::object::{Address, Class};
use std::collections::{BTreeMap, BTreeSet};

/// One table rows of which may change.
#[derive(Debug, Clone, Default)]
pub(super) struct Change {
    /// OID before.
    pub table: Oid,
    /// What was seen, and the statements that name it.
    pub seen: ChangedTable,
    /// Those statements, as far as they are read; of `MERGE` what it adds.
    pub read: Vec<Written>,
    /// For each of these, its place among all statements, and what it reads of what earlier ones have written.
    pub reads: Vec<(usize, Reads)>,
    /// Rows may go or change because rows of these tables go: through which foreign key, and what it does.
    pub cascades: Vec<Cascade>,
    /// Statements that are not read say its name, or wrote to it.
    pub unread: bool,
    /// The same, without `MERGE`, of which at least what it adds is read.
    pub opaque: bool,
    /// The place of the last of those statements among all: one that names it twice is one statement.
    last: Option<usize>,
}

/// What a statement reads of what earlier ones have written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Reads {
    /// Nothing.
    #[default]
    Nothing,
    /// Rows that plain `INSERT`s added: the table, and which of the statements that change it.
    Added(Vec<(Oid, usize)>),
    /// Anything else.
    Changed,
}

/// What earlier statements wrote to tables of a name; none where it is more than rows added to one table.
type Earlier = BTreeMap<String, Option<Vec<(Oid, usize)>>>;

/// A foreign key that acts when referenced rows go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cascade {
    /// The referenced table, OID before.
    pub parent: Oid,
    /// Referencing and referenced columns.
    pub pairs: Vec<(String, String)>,
    pub action: Action,
}

/// What a foreign key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The referencing rows go as well.
    Delete,
    /// Their columns become null.
    SetNull,
    /// Anything else.
    Other,
}

/// Adds to what was seen what might have been; referenced tables come first.
pub(super) fn changes(plan: &Plan<'_>, seen: &[ChangedTable], statements: &[String]) -> Vec<Change> {
    let mut found: BTreeMap<Oid, Change> = BTreeMap::new();
    let mut deleting = BTreeSet::new();
    let mut earlier = Earlier::new();
    for (place, sql) in statements.iter().enumerate() {
        let mut read = written(sql);
        if let Some(Written::Truncate { targets }) = read.as_mut().filter(|_| truncates_on(sql)) {
            let along = truncated_along(plan, targets);
            targets.extend(along);
        }
        let merge = read.is_none().then(|| merged(sql)).flatten();
        let reads = match read.as_ref().or(merge.as_ref()) {
            Some(Written::Insert { query: Some(query), .. }) => reads(query, &earlier),
            Some(Written::Insert { rows: Some(rows), .. }) => reads(&rows.concat().join(", "), &earlier),
            _ => Reads::Nothing,
        };
        let targets: Vec<(Target, bool)> = match &read {
            Some(written) => {
                // No foreign key acts when a table is emptied.
                let deletes = matches!(written, Written::Delete { .. });
                written.targets().iter().map(|target| (target.clone(), deletes)).collect()
            }
            None => hidden(sql),
        };
        for (target, deletes) in targets {
            let mut tables = tables(plan, &target);
            // What a view, its rules or triggers do about other tables' rows is not read.
            let through = tables.is_empty() && !matches!(&read, Some(Written::Insert { overwrites: false, .. }));
            if through {
                tables = behind(plan, &target);
            }
            let unread = read.is_none() || through;
            let added = earlier.entry(target.name.clone()).or_insert_with(|| Some(Vec::new()));
            match (&read, tables.as_slice()) {
                (Some(Written::Insert { overwrites: false, .. }), [table]) => {
                    let at = found.get(table).map_or(0, |change| change.read.len());
                    added.as_mut().into_iter().for_each(|added| added.push((*table, at)));
                }
                _ => *added = None,
            }
            for table in tables {
                let change = entry(plan, &mut found, table);
                change.unread |= unread;
                change.opaque |= unread && (through || merge.is_none());
                if change.last.replace(place) != Some(place)
                    && let Some(list) = &mut change.seen.statements
                {
                    list.push(sql.clone());
                    if let Some(read) = read.clone().or_else(|| merge.clone()) {
                        change.read.push(read);
                        change.reads.push((place, reads.clone()));
                    }
                }
                if deletes {
                    deleting.insert(table);
                }
            }
        }
    }
    for one in seen {
        observe(plan, &mut found, one);
    }
    cascades(plan, &mut found, deleting);
    let mut all: Vec<Change> = found.into_values().collect();
    all.sort_by_key(|change| change.cascades.len());
    all
}

fn entry<'f>(plan: &Plan<'_>, found: &'f mut BTreeMap<Oid, Change>, table: Oid) -> &'f mut Change {
    found.entry(table).or_insert_with(|| Change {
        table,
        seen: ChangedTable {
            name: plan.before.relation_name(table),
            statements: Some(Vec::new()),
            ..ChangedTable::default()
        },
        ..Change::default()
    })
}

/// What an expression or a query sees of what was written to tables it names.
fn reads(text: &str, earlier: &Earlier) -> Reads {
    let all = words(text);
    let mut added = BTreeSet::new();
    for (at, word) in all.iter().enumerate() {
        let Some(written) = word.name().and_then(|name| earlier.get(&name)) else { continue };
        // With its schema before it, nothing can be put in the table's place.
        let qualified = at > 0 && all[at - 1].text == ".";
        match written {
            Some(rows) if !qualified => added.extend(rows.iter().copied()),
            _ => return Reads::Changed,
        }
    }
    if added.is_empty() { Reads::Nothing } else { Reads::Added(added.into_iter().collect()) }
}

/// `TRUNCATE … CASCADE` takes every table along that refers to its own.
fn truncates_on(sql: &str) -> bool {
    let all = words(sql);
    all.first().is_some_and(|word| word.is("TRUNCATE")) && all.iter().any(|word| word.is("CASCADE"))
}

/// The tables that a `TRUNCATE … CASCADE` of these empties besides: all that refer to one of them, whatever their foreign
/// keys do, with the rows that refer to nothing.
fn truncated_along(plan: &Plan<'_>, targets: &[Target]) -> Vec<Target> {
    let parts = |of: Oid| {
        let heirs = plan.before.relation_details.iter().filter(move |(_, detail)| detail.parents.contains(&of));
        heirs.map(|(heir, _)| *heir)
    };
    let partition_of = |oid: Oid| plan.before.relations.get(&oid).filter(|found| found.is_partition)?.parent;
    let mut own = BTreeSet::new();
    for target in targets {
        let mut next: Vec<Oid> = named(plan, target).into_iter().collect();
        while let Some(table) = next.pop() {
            if own.insert(table) && !target.only {
                next.extend(parts(table));
            }
        }
    }
    let mut open: Vec<Oid> = own.iter().copied().collect();
    let (mut emptied, mut along) = (BTreeSet::new(), BTreeSet::new());
    while let Some(table) = open.pop() {
        if !emptied.insert(table) {
            continue;
        }
        open.extend(parts(table).filter(|part| partition_of(*part).is_some()));
        let keys = plan.before.constraints.values().filter(|key| key.kind == 'f' && key.references == Some(table));
        let referring: Vec<Oid> = keys.filter_map(|key| key.table).collect();
        along.extend(referring.iter().filter(|oid| !own.contains(oid)));
        open.extend(referring);
    }
    // Partitions are emptied with their table.
    let tops = along.iter().filter(|oid| partition_of(**oid).is_none_or(|whole| !plan.before.is_within(whole, &along)));
    tops.filter_map(|oid| plan.before.relations.get(oid))
        .map(|relation| Target {
            schema: Some(relation.schema.clone()),
            name: relation.name.clone(),
            alias: relation.name.clone(),
            only: true,
        })
        .collect()
}

/// Tables named behind the words that write, wherever they stand: in `WITH`, in `MERGE`.
fn hidden(sql: &str) -> Vec<(Target, bool)> {
    let all = words(sql);
    if !all.first().is_some_and(|word| word.is("WITH") || word.is("MERGE")) {
        return Vec::new();
    }
    let merge = all.first().is_some_and(|word| word.is("MERGE"));
    let mut found = Vec::new();
    for at in 0..all.len() {
        let is = |offset: usize, keyword: &str| all.get(at + offset).is_some_and(|word: &Word<'_>| word.is(keyword));
        let skip = match () {
            () if merge && is(0, "MERGE") && is(1, "INTO") => 2,
            () if !merge && is(0, "DELETE") && is(1, "FROM") => 2,
            () if !merge && is(0, "INSERT") && is(1, "INTO") => 2,
            () if !merge && is(0, "UPDATE") => 1,
            () => continue,
        };
        let deletes = merge || is(0, "DELETE");
        found.extend(all.get(at + skip..).and_then(target_of).map(|target| (target, deletes)));
    }
    found
}

/// The tables a target means by itself, by OID before.
fn named(plan: &Plan<'_>, target: &Target) -> BTreeSet<Oid> {
    let of = |catalog: &Catalog| -> Vec<Oid> {
        catalog
            .relations
            .values()
            .filter(|relation| {
                matches!(relation.kind, RelationKind::Table | RelationKind::PartitionedTable)
                    && relation.name == target.name
                    && target.schema.as_ref().is_none_or(|schema| *schema == relation.schema)
            })
            .map(|relation| relation.oid)
            .collect()
    };
    let mut found: BTreeSet<Oid> = of(plan.before).into_iter().collect();
    found.extend(of(plan.after).into_iter().filter_map(|oid| plan.pairing.relation_before(oid)));
    found
}

/// The surviving tables a target means, by OID before: itself, and those that inherit from it. A partitioned table
/// stands for its partitions.
fn tables(plan: &Plan<'_>, target: &Target) -> Vec<Oid> {
    let mut found = named(plan, target);
    let mut next: Vec<Oid> = if target.only { Vec::new() } else { found.iter().copied().collect() };
    while let Some(parent) = next.pop() {
        let heirs = plan.before.relation_details.iter().filter(|(_, detail)| detail.parents.contains(&parent));
        for (heir, _) in heirs {
            let partition = plan.before.relations.get(heir).is_none_or(|relation| relation.is_partition);
            if !partition && found.insert(*heir) {
                next.push(*heir);
            }
        }
    }
    found.retain(|oid| plan.pairing.relation_after(*oid).is_some());
    found.into_iter().collect()
}

/// The surviving tables behind a view.
fn behind(plan: &Plan<'_>, target: &Target) -> Vec<Oid> {
    let mut found = BTreeSet::new();
    for catalog in [plan.before, plan.after] {
        let is_named = |relation: &&Relation| {
            let schema = target.schema.as_ref().is_none_or(|schema| *schema == relation.schema);
            relation.kind == RelationKind::View && relation.name == target.name && schema
        };
        let mut open: Vec<Oid> = catalog.relations.values().filter(is_named).map(|relation| relation.oid).collect();
        let mut done = BTreeSet::new();
        while let Some(view) = open.pop() {
            if !done.insert(view) {
                continue;
            }
            let address = Address::relation(view);
            let read = catalog.dependencies.iter().filter(|dependency| dependency.dependent.whole() == address);
            let read = read.map(|read| read.referenced).filter(|referenced| referenced.class == Class::Relation);
            for relation in read.filter_map(|referenced| catalog.relations.get(&referenced.oid)) {
                match relation.kind {
                    RelationKind::View => open.push(relation.oid),
                    _ => found.extend(tables(
                        plan,
                        &Target {
                            schema: Some(relation.schema.clone()),
                            name: relation.name.clone(),
                            alias: relation.name.clone(),
                            only: false,
                        },
                    )),
                }
            }
        }
    }
    found.into_iter().collect()
}

/// Takes in what was seen: a partition's rows are those of the table that was named.
fn observe(plan: &Plan<'_>, found: &mut BTreeMap<Oid, Change>, one: &ChangedTable) {
    let Some(relation) = plan.before.relations.values().find(|relation| relation.qualified == one.name) else { return };
    let mut top = relation.oid;
    let mut next = Some(relation);
    while let Some(at) = next {
        if found.contains_key(&at.oid) {
            top = at.oid;
        }
        next = at.parent.filter(|_| at.is_partition).and_then(|parent| plan.before.relations.get(&parent));
    }
    let change = entry(plan, found, top);
    change.seen.inserted += one.inserted;
    change.seen.updated += one.updated;
    change.seen.deleted += one.deleted;
    let known = match (&one.statements, &change.seen.statements) {
        (Some(theirs), Some(own)) => theirs.iter().all(|sql| own.contains(sql)),
        _ => false,
    };
    // Something wrote to it that does not name it: a trigger, a function, a foreign key.
    change.unread |= !known;
    change.opaque |= !known;
}

/// What foreign keys take along, from table to table.
fn cascades(plan: &Plan<'_>, found: &mut BTreeMap<Oid, Change>, deleting: BTreeSet<Oid>) {
    let mut open: Vec<Oid> = deleting.into_iter().collect();
    let mut done: BTreeSet<Oid> = BTreeSet::new();
    while let Some(parent) = open.pop() {
        if !done.insert(parent) {
            continue;
        }
        for key in plan.before.constraints.values().filter(|key| key.kind == 'f' && key.references == Some(parent)) {
            let Some(child) = key.table.filter(|child| plan.pairing.relation_after(*child).is_some()) else { continue };
            let inherited = plan.before.constraint_details.get(&key.oid).is_some_and(|detail| detail.parent.is_some());
            let action = match key.definition.split_once(" ON DELETE ").map(|(_, action)| action) {
                Some(action) if action.starts_with("CASCADE") => Action::Delete,
                Some(action) if action.starts_with("SET NULL") && !action.starts_with("SET NULL (") => Action::SetNull,
                Some(action) if action.starts_with("SET ") => Action::Other,
                _ => continue,
            };
            if inherited {
                continue;
            }
            let pairs = key.columns.iter().cloned().zip(key.referenced_columns.iter().cloned()).collect();
            entry(plan, found, child).cascades.push(Cascade { parent, pairs, action });
            if action == Action::Delete {
                open.push(child);
            }
        }
    }
}
