//! Rows that refer to rows which are added as well: `INSERT … SELECT id FROM roles WHERE name = 'new'`.
//!
//! The key of an added row is not known before, so something stands in for it while `prepare.sql` asks; `rollback.sql`
//! finds the row and puts its key in the place of that. So rows that refer to it are told as exactly as it is.

use super::super::names::identifier;
use super::super::planner::Plan;
use super::predict::stays;
use super::{Added, Save, SaveKind, SavedColumn};
use crate::migration::script::words::words;
use crate::snapshot::Oid;
use std::collections::{BTreeMap, BTreeSet};

/// What a statement that adds rows reads of rows that others add, and what others read of its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lookups {
    /// The statement: its table, OID before, and which of those that change this table.
    pub statement: (Oid, usize),
    /// Its place among all statements.
    pub place: usize,
    /// Which of all statements whose rows are told, whatever their table: no two stand-ins are alike.
    pub number: usize,
    /// The statements whose rows it reads.
    pub reads: Vec<(Oid, usize)>,
    /// Later statements leave its rows as they are.
    pub stays: bool,
    /// The column whose value is not told, and what stands in for it, where others read it.
    pub stand_in: Option<(String, String)>,
    /// Statements that put the keys of rows that were found in the place of what stood in for them.
    pub found: Vec<String>,
}

/// In a query, the place for what stands in for tables.
pub(super) const PLACE: &str = "/* seatrial_lookups */ ";

/// Stands for the name of a statement's backup until that is known.
fn backup_of((table, at): (Oid, usize)) -> String {
    format!("seatrial_added_{table}_{at}_")
}

fn added(save: &Save) -> Option<&Added> {
    match &save.kind {
        SaveKind::Added(added) => Some(added),
        _ => None,
    }
}

/// Completes the queries of rows that refer to added rows; takes out those that cannot be told.
pub(super) fn link(plan: &Plan<'_>, saves: &mut Vec<Save>) {
    let told = saves.iter_mut().filter_map(|save| match &mut save.kind {
        SaveKind::Added(added) => Some(added),
        _ => None,
    });
    told.enumerate().for_each(|(number, added)| added.lookups.number = number);
    loop {
        let tables: BTreeMap<(Oid, usize), Save> =
            saves.iter().filter_map(|save| Some((added(save)?.lookups.statement, save.clone()))).collect();
        let before = saves.len();
        saves.retain(|save| {
            added(save).is_none_or(|added| {
                added
                    .lookups
                    .reads
                    .iter()
                    .all(|read| tables.get(read).is_some_and(|parent| is_told(plan, parent, &added.query)))
            })
        });
        if saves.len() == before {
            let mut read = BTreeSet::new();
            for save in saves.iter_mut() {
                let SaveKind::Added(added) = &mut save.kind else { continue };
                read.extend(added.lookups.reads.iter().copied());
                let with = stand_ins(plan, &added.lookups.reads, &tables);
                added.query = added.query.replace(PLACE, &with);
            }
            for save in saves.iter_mut() {
                let unknown = stand_in(plan, save);
                if let SaveKind::Added(added) = &mut save.kind
                    && read.contains(&added.lookups.statement)
                {
                    added.lookups.stand_in = unknown;
                }
            }
            return;
        }
    }
}

/// Whether a query can be asked with what is told of these rows.
fn is_told(plan: &Plan<'_>, parent: &Save, query: &str) -> bool {
    let Some(rows) = added(parent) else { return false };
    let told = |name: &String| parent.columns.iter().any(|column| column.name == *name);
    let unknown = stand_in(plan, parent).map(|(column, _)| column);
    let read: BTreeSet<String> = words(query).iter().filter_map(|word| word.name()).collect();
    let mut columns = plan.before.columns_of(parent.table);
    // A star reads every column.
    let all_staying = plan.tables.values().find(|table| table.before == parent.table).is_some_and(|table| {
        plan.before.columns_of(parent.table).all(|column| stays(plan, table, &column.name).is_some())
    });
    rows.lookups.stays
        && all_staying
        && columns
            .all(|column| told(&column.name) || Some(&column.name) == unknown.as_ref() || !read.contains(&column.name))
}

/// The key column that is not told, and what stands in for it.
fn stand_in(plan: &Plan<'_>, save: &Save) -> Option<(String, String)> {
    let added = added(save)?;
    let [key] = added.keys.as_slice() else { return None };
    if save.columns.iter().any(|column| column.name == key.name) {
        return None;
    }
    let at = i64::try_from(added.lookups.number).ok()?;
    // Further below zero than numbers of rows are.
    let below = |from: i64| format!("({} - row_number() OVER ())::{}", from - at * 1_000_000, key.type_name);
    let column = plan.before.columns_of(save.table).find(|column| column.name == key.name)?;
    let value = match column.type_name.as_str() {
        "integer" => below(-2_000_000_000),
        "bigint" => below(-4_000_000_000_000_000_000),
        "uuid" => format!("md5('seatrial {at} ' || row_number() OVER ())::uuid"),
        _ => return None,
    };
    (at < 100).then(|| (key.name.clone(), value))
}

/// `WITH` tables that hold what is going to be added as well, under their own names.
fn stand_ins(plan: &Plan<'_>, reads: &[(Oid, usize)], tables: &BTreeMap<(Oid, usize), Save>) -> String {
    let mut each: BTreeMap<Oid, Vec<String>> = BTreeMap::new();
    for read in reads {
        let Some(parent) = tables.get(read) else { continue };
        let unknown = stand_in(plan, parent).map(|(column, _)| column);
        let values: Vec<String> = plan
            .before
            .columns_of(parent.table)
            .map(|column| match parent.columns.iter().find(|told| told.name == column.name) {
                Some(told) => told.value(),
                None if Some(&column.name) == unknown.as_ref() => "b.seatrial_stand_in".to_owned(),
                None => format!("NULL::{}", column.type_name),
            })
            .collect();
        each.entry(parent.table).or_default().push(format!(
            "SELECT {} FROM {} AS b",
            values.join(", "),
            backup_of(*read)
        ));
    }
    let tables: Vec<String> = each
        .into_iter()
        .filter_map(|(table, rows)| {
            let name = identifier(&plan.before.relations.get(&table)?.name);
            let from = plan.before.relation_name(table);
            Some(format!("{name} AS (SELECT * FROM {from} UNION ALL {})", rows.join(" UNION ALL ")))
        })
        .collect();
    if tables.is_empty() { String::new() } else { format!("WITH {}\n        ", tables.join(", ")) }
}

/// Once backups have names: tells those of the same table from each other's rows.
pub(super) fn name_alike(saves: &mut [Save]) {
    let told: Vec<Save> = saves.iter().filter(|save| added(save).is_some()).cloned().collect();
    for save in saves {
        let of_all = |other: &&Save| {
            let told = |column: &SavedColumn| other.columns.iter().any(|theirs| theirs.name == column.name);
            other.table == save.table && other.backup != save.backup && save.columns.iter().all(told)
        };
        let alike = told.iter().filter(of_all).map(Save::backup_name).collect();
        if let SaveKind::Added(added) = &mut save.kind {
            added.alike = alike;
        }
    }
}

/// Once backups have names: puts them where they are asked for, and writes what finds the keys.
pub(super) fn name(saves: &mut [Save]) {
    let names: Vec<(String, String)> =
        saves.iter().filter_map(|save| Some((backup_of(added(save)?.lookups.statement), save.backup_name()))).collect();
    for save in saves.iter_mut() {
        if let SaveKind::Added(added) = &mut save.kind {
            for (placeholder, name) in &names {
                added.query = added.query.replace(placeholder, name);
            }
        }
    }
    let mut order: Vec<usize> = (0..saves.len()).filter(|index| added(&saves[*index]).is_some()).collect();
    order.sort_by_key(|index| added(&saves[*index]).map(|added| added.lookups.place));
    for index in order {
        let mut found = Vec::new();
        let (Some(child), own) = (added(&saves[index]), saves[index].backup_name()) else { continue };
        for parent in saves.iter() {
            let Some(rows) = added(parent).filter(|rows| child.lookups.reads.contains(&rows.lookups.statement)) else {
                continue;
            };
            // What it refers to may refer to others that were added.
            found.extend(rows.lookups.found.iter().cloned());
            let Some((key, _)) = &rows.lookups.stand_in else { continue };
            let of_type = rows.keys.iter().find(|column| column.name == *key).map(|column| &column.type_name);
            let keys = parent.found_keys(&parent.backup_name(), rows, key);
            for column in saves[index].columns.iter().filter(|column| Some(&column.type_name) == of_type) {
                let column = identifier(&column.name);
                found.push(format!(
                    "UPDATE {own} AS b SET {column} = f.key FROM ({keys}) AS f\n            WHERE b.{column} = f.seatrial_stand_in;"
                ));
            }
        }
        if let SaveKind::Added(child) = &mut saves[index].kind {
            child.lookups.found = found;
        }
    }
}
