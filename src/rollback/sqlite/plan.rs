//! What undoes the schema, tried on a sketch of it: renames and dropped columns where SQLite brings the old text back by
//! itself, and a rebuild for every table where it does not.

use super::Input;
use super::pairs::{Pair, column_now};
use super::tokens::{mentions, same_text, tokens};
use crate::engine::ServerError;
use crate::engine::sqlite::sketch::Sketch;
use crate::rollback::generate::Step;
use crate::snapshot::sqlite::{IndexOrigin, Schema, Table, quote, same_name};
use std::collections::BTreeSet;

/// The steps for the schema. From `renames` on every table bears the name it had.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan<'a> {
    pub drop_triggers: Vec<&'a str>,
    pub drop_views: Vec<&'a str>,
    pub drop_tables: Vec<&'a str>,
    pub renames: Vec<Step>,
    pub drop_indexes: Vec<String>,
    pub drop_columns: Vec<Step>,
    /// Tables that are made again from their old text, by the name they had.
    pub rebuilt: BTreeSet<&'a str>,
    pub create_indexes: Vec<&'a str>,
    pub create_views: Vec<&'a str>,
    pub create_triggers: Vec<&'a str>,
}

/// Decides. `written` are tables whose rows are going to be written, by the name they had.
pub(super) fn plan<'a>(input: &Input<'a>, pairs: &[Pair<'a>], new: &[&'a Table], written: &[&str]) -> Plan<'a> {
    let mut plan = hanging(input, pairs, new, written, false);
    if decide(input, pairs, &mut plan).is_err() {
        // A view that is broken keeps SQLite from renaming anything: none may be in the way then.
        plan = hanging(input, pairs, new, written, true);
        if decide(input, pairs, &mut plan).is_err() {
            plan.rebuilt = pairs.iter().filter(|pair| pair.differs()).map(|pair| pair.before.name.as_str()).collect();
        }
    }
    let stays = |table: &str| !plan.rebuilt.iter().any(|name| same_name(name, table)) && is_there(pairs, table);
    let after_indexes = &input.after.indexes;
    for index in input.before.indexes.values() {
        let Some(sql) = &index.sql else { continue };
        let dropped = plan.drop_indexes.iter().any(|name| same_name(name, &index.name));
        let there = after_indexes.values().any(|now| same_name(&now.name, &index.name));
        if dropped || !there || !stays(&index.table) {
            plan.create_indexes.push(sql);
        }
    }
    for view in input.before.views.values() {
        if gone(&view.name, &plan.drop_views, input.after.views.keys()) {
            plan.create_views.push(&view.sql);
        }
    }
    for trigger in input.before.triggers.values() {
        if gone(&trigger.name, &plan.drop_triggers, input.after.triggers.keys()) {
            plan.create_triggers.push(&trigger.sql);
        }
    }
    plan
}

/// Whether it is dropped on the way, or was by the migration.
fn gone<'n>(name: &str, dropped: &[&str], mut after: impl Iterator<Item = &'n String>) -> bool {
    dropped.iter().any(|other| same_name(other, name)) || !after.any(|other| same_name(other, name))
}

fn is_there(pairs: &[Pair<'_>], table: &str) -> bool {
    pairs.iter().any(|pair| pair.after.is_some() && same_name(&pair.before.name, table))
}

/// Views and triggers that are not as before, or hang on what is changed: they go first and come back last, from their
/// own text. New tables go with them.
fn hanging<'a>(
    input: &Input<'a>,
    pairs: &[Pair<'a>],
    new: &[&'a Table],
    written: &[&str],
    everything: bool,
) -> Plan<'a> {
    let mut names: Vec<&str> = new.iter().map(|table| table.name.as_str()).collect();
    for pair in pairs.iter().filter(|pair| pair.differs()) {
        names.push(&pair.before.name);
        names.extend(pair.after.map(|after| after.name.as_str()));
    }
    let altered = !names.is_empty();
    let mut plan = Plan { drop_tables: new.iter().map(|table| table.name.as_str()).collect(), ..Plan::default() };
    let hangs = |sql: &str, names: &[&str]| (everything && altered) || names.iter().any(|name| mentions(sql, name));
    loop {
        let known = plan.drop_views.len();
        for view in input.after.views.values() {
            let old = input.before.views.values().find(|old| same_name(&old.name, &view.name));
            let same = old.is_some_and(|old| same_text(&old.sql, &view.sql));
            let listed = plan.drop_views.contains(&view.name.as_str());
            if !listed && (!same || hangs(&view.sql, &names)) {
                plan.drop_views.push(&view.name);
                names.push(&view.name);
            }
        }
        if plan.drop_views.len() == known {
            break;
        }
    }
    for trigger in input.after.triggers.values() {
        let old = input.before.triggers.values().find(|old| same_name(&old.name, &trigger.name));
        let same = old.is_some_and(|old| same_text(&old.sql, &trigger.sql));
        let on = |table: &&str| {
            let pair = pairs.iter().find(|pair| same_name(&pair.before.name, table));
            pair.is_some_and(|pair| pair.is_called(&trigger.table))
        };
        if !same || hangs(&trigger.sql, &names) || written.iter().any(on) {
            plan.drop_triggers.push(&trigger.name);
        }
    }
    plan
}

/// Tries on a sketch what SQLite undoes by itself, until only rebuilds are left over.
fn decide<'a>(input: &Input<'a>, pairs: &[Pair<'a>], plan: &mut Plan<'a>) -> Result<(), ServerError> {
    loop {
        let known = plan.rebuilt.len();
        attempt(input, pairs, plan)?;
        if plan.rebuilt.len() == known {
            return Ok(());
        }
    }
}

fn attempt<'a>(input: &Input<'a>, pairs: &[Pair<'a>], plan: &mut Plan<'a>) -> Result<(), ServerError> {
    let sketch = Sketch::of(input.after)?;
    plan.renames.clear();
    plan.drop_indexes.clear();
    plan.drop_columns.clear();
    for (kind, names) in [("TRIGGER", &plan.drop_triggers), ("VIEW", &plan.drop_views), ("TABLE", &plan.drop_tables)] {
        for name in names {
            sketch.run(&format!("DROP {kind} {}", quote(name)))?;
        }
    }
    for (from, to) in renames(pairs) {
        let sql = format!("ALTER TABLE {} RENAME TO {};", quote(&from), quote(&to));
        sketch.run(&sql)?;
        plan.renames.push(Step::new("Gets its old name back.", sql));
    }
    let open = |plan: &Plan<'_>, pair: &Pair<'_>| {
        pair.after.is_some() && pair.differs() && !plan.rebuilt.contains(pair.before.name.as_str())
    };
    for pair in pairs {
        if !open(plan, pair) {
            continue;
        }
        for column in &pair.before.columns {
            let Some(now) = column_now(input, pair, column).filter(|now| !same_name(&now.name, &column.name)) else {
                continue;
            };
            let table = quote(&pair.before.name);
            let sql = format!("ALTER TABLE {table} RENAME COLUMN {} TO {};", quote(&now.name), quote(&column.name));
            match sketch.run(&sql) {
                Ok(()) => plan.renames.push(Step::new("Gets its old name back.", sql)),
                Err(_) => {
                    plan.rebuilt.insert(&pair.before.name);
                    return Ok(());
                }
            }
        }
    }
    let renamed = sketch.schema()?;
    for index in renamed.indexes.values().filter(|index| index.origin == IndexOrigin::Created) {
        let rebuilt = plan.rebuilt.iter().any(|name| same_name(name, &index.table));
        if !rebuilt && !is_as_before(input.before, index) {
            sketch.run(&format!("DROP INDEX {}", quote(&index.name)))?;
            plan.drop_indexes.push(index.name.clone());
        }
    }
    for pair in pairs.iter().filter(|pair| pair.after.is_some() && pair.differs()) {
        if plan.rebuilt.contains(pair.before.name.as_str()) {
            continue;
        }
        if !drop_added(&sketch, &renamed, pair, plan)? {
            plan.rebuilt.insert(&pair.before.name);
        }
    }
    let end = sketch.schema()?;
    for pair in pairs.iter().filter(|pair| pair.after.is_some()) {
        // One that cannot be made here, such as a virtual table whose module is missing, is as the migration left it.
        let there = end.table(&pair.before.name);
        let back = there.map_or(!pair.differs(), |now| same_text(&now.sql, &pair.before.sql));
        if !back {
            plan.rebuilt.insert(&pair.before.name);
        }
    }
    // An index that SQLite changes on the way comes back from its own text.
    for index in end.indexes.values().filter(|index| index.origin == IndexOrigin::Created) {
        let rebuilt = plan.rebuilt.iter().any(|name| same_name(name, &index.table));
        if !rebuilt && !is_as_before(input.before, index) {
            plan.drop_indexes.push(index.name.clone());
        }
    }
    Ok(())
}

fn is_as_before(before: &Schema, index: &crate::snapshot::sqlite::Index) -> bool {
    let Some(old) = before.indexes.values().find(|old| same_name(&old.name, &index.name)) else { return false };
    let (Some(was), Some(is)) = (&old.sql, &index.sql) else { return false };
    same_name(&old.table, &index.table) && same_text(was, is)
}

/// Drops the columns there are besides those of before; whether that went through.
fn drop_added<'a>(sketch: &Sketch, now: &Schema, pair: &Pair<'a>, plan: &mut Plan<'a>) -> Result<bool, ServerError> {
    let Some(table) = now.table(&pair.before.name) else { return Ok(false) };
    let added = table.columns.iter().filter(|column| pair.before.column(&column.name).is_none());
    let mut steps = Vec::new();
    for column in added.rev() {
        let sql = format!("ALTER TABLE {} DROP COLUMN {};", quote(&pair.before.name), quote(&column.name));
        if sketch.run(&sql).is_err() {
            return Ok(false);
        }
        steps.push(Step::new("The column was not there.", sql));
    }
    let back = sketch.schema()?.table(&pair.before.name).is_some_and(|now| same_text(&now.sql, &pair.before.sql));
    if back {
        plan.drop_columns.extend(steps);
    }
    Ok(back)
}

/// Names that go back, through a name of our own where another table still bears the one wanted.
fn renames(pairs: &[Pair<'_>]) -> Vec<(String, String)> {
    let open: Vec<(&str, &str)> =
        pairs.iter().filter_map(|pair| Some((pair.renamed()?, pair.before.name.as_str()))).collect();
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for (number, (from, to)) in open.iter().enumerate() {
        if open.iter().any(|(other, _)| same_name(other, to)) {
            let between = format!("seatrial_moved_{number}");
            first.push(((*from).to_owned(), between.clone()));
            last.push((between, (*to).to_owned()));
        } else {
            last.insert(0, ((*from).to_owned(), (*to).to_owned()));
        }
    }
    first.extend(last);
    first
}

/// Whether the text of a virtual table names a module of full-text search.
pub(super) fn is_text_search(table: &Table) -> bool {
    tokens(&table.sql).iter().any(|token| ["fts3", "fts4", "fts5"].iter().any(|module| token.is(module)))
}
