//! Is a database as it was? Its schema as text, and as everything SQLite tells of it.

use super::script::is_own;
use super::tokens::{same_text, tokens};
use crate::rollback::compare::Differences;
use crate::snapshot::catalog::qualify;
use crate::snapshot::sqlite::catalog::MAIN;
use crate::snapshot::sqlite::{Schema, Table, TableKind, is_internal};
use std::collections::BTreeMap;

/// The schema without a backup of ours.
pub(super) fn without_own(mut schema: Schema) -> Schema {
    schema.tables.retain(|name, _| !is_own(name));
    schema.indexes.retain(|_, index| !is_own(&index.table));
    schema.sequence.retain(|name, _| !is_own(name));
    schema
}

/// Compares the texts: spaces, case of keywords and the quoting of names do not matter, everything else does.
pub(super) fn texts(before: &Schema, after: &Schema) -> Differences {
    let mut found = Differences::default();
    let (old, new) = (all_texts(before), all_texts(after));
    for (key, (name, text)) in &old {
        match new.get(key) {
            None => found.others.push(format!("{name}: missing")),
            Some((_, now)) if same_text(text, now) => {}
            Some((_, now)) => {
                let table =
                    |schema: &Schema| schema.tables.values().find(|table| qualify(MAIN, &table.name) == *name).cloned();
                match (table(before), table(after)) {
                    (Some(was), Some(is)) if same_but_for_order(&was, &is) => {
                        found.column_order.push(format!("TABLE {name}"))
                    }
                    _ => found.others.push(format!("{name}: {}", first_difference(text, now))),
                }
            }
        }
    }
    for (name, _) in new.iter().filter(|(key, _)| !old.contains_key(*key)).map(|(_, found)| found) {
        found.others.push(format!("{name}: left behind"));
    }
    found
}

/// Name and text of everything, by kind and name in lower case.
fn all_texts(schema: &Schema) -> BTreeMap<(u8, String), (String, String)> {
    let mut found = BTreeMap::new();
    let mut add = |kind: u8, name: &str, text: &str| {
        found.insert((kind, name.to_ascii_lowercase()), (qualify(MAIN, name), text.to_owned()));
    };
    schema
        .tables
        .values()
        .filter(|table| table.kind != TableKind::Shadow)
        .for_each(|table| add(0, &table.name, &table.sql));
    schema.indexes.values().for_each(|index| index.sql.iter().for_each(|sql| add(1, &index.name, sql)));
    schema.views.values().for_each(|view| add(2, &view.name, &view.sql));
    schema.triggers.values().for_each(|trigger| add(3, &trigger.name, &trigger.sql));
    found
}

fn same_but_for_order(was: &Table, is: &Table) -> bool {
    let words = |sql: &str| {
        let mut words: Vec<String> = tokens(sql).iter().map(|token| token.text.to_ascii_lowercase()).collect();
        words.sort();
        words
    };
    let columns = |table: &Table| facts_of(table).into_iter().collect::<BTreeMap<_, _>>();
    words(&was.sql) == words(&is.sql) && columns(was) == columns(is)
}

fn first_difference(old: &str, new: &str) -> String {
    let (old, new) = (tokens(old), tokens(new));
    let at = old.iter().zip(&new).position(|(old, new)| !old.text.eq_ignore_ascii_case(&new.text));
    let at = at.unwrap_or(old.len().min(new.len()));
    let around = |list: &[super::tokens::Token]| {
        let words: Vec<&str> =
            list.iter().skip(at.saturating_sub(2)).take(6).map(|token| token.text.as_str()).collect();
        words.join(" ")
    };
    format!("`… {} …` instead of `… {} …`", around(&new), around(&old))
}

/// Compares what SQLite tells of everything, by name.
pub(super) fn catalogs(before: &Schema, after: &Schema) -> Differences {
    let mut found = Differences::default();
    let (old, new) = (facts(before), facts(after));
    for (key, was) in &old {
        match new.get(key) {
            Some(is) if is == was => {}
            Some(is) => found.others.push(format!("{key}: {is} instead of {was}")),
            None => found.others.push(format!("{key}: missing")),
        }
    }
    for (key, is) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
        found.others.push(format!("{key}: {is} was not there"));
    }
    for table in before.tables.values() {
        let order =
            |table: &Table| table.columns.iter().map(|column| column.name.to_ascii_lowercase()).collect::<Vec<_>>();
        let Some(now) = after.table(&table.name) else { continue };
        let (mut was, mut is) = (order(table), order(now));
        if was != is {
            was.sort();
            is.sort();
            if was == is {
                found.column_order.push(format!("TABLE {}", qualify(MAIN, &table.name)));
            }
        }
    }
    found
}

fn normal(sql: &str) -> String {
    tokens(sql).iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ")
}

fn facts_of(table: &Table) -> Vec<(String, String)> {
    let name = qualify(MAIN, &table.name).to_ascii_lowercase();
    let mut found = vec![(
        format!("table {name}"),
        format!(
            "{:?}{}{}{}",
            table.kind,
            if table.strict { ", STRICT" } else { "" },
            if table.without_rowid { ", WITHOUT ROWID" } else { "" },
            if table.autoincrement { ", AUTOINCREMENT" } else { "" }
        ),
    )];
    for column in &table.columns {
        found.push((
            format!("column {name}.{}", column.name.to_ascii_lowercase()),
            format!(
                "{} ({}){}{}, key {}, {:?}",
                column.type_name.to_ascii_uppercase(),
                column.affinity().name(),
                if column.not_null { " NOT NULL" } else { "" },
                column.default.as_ref().map_or_else(String::new, |default| format!(" DEFAULT {}", normal(default))),
                column.key,
                column.kind
            ),
        ));
    }
    for (number, key) in table.foreign_keys.iter().enumerate() {
        let columns = |list: &[String]| list.join(", ").to_ascii_lowercase();
        found.push((
            format!("foreign key {number} of {name}"),
            format!(
                "({}) to {} ({}), ON DELETE {}, ON UPDATE {}",
                columns(&key.columns),
                key.table.to_ascii_lowercase(),
                columns(&key.referenced),
                key.on_delete,
                key.on_update
            ),
        ));
    }
    found
}

fn facts(schema: &Schema) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for table in schema.tables.values().filter(|table| table.kind != TableKind::Shadow) {
        found.extend(facts_of(table));
    }
    let lower = |name: &str| qualify(MAIN, name).to_ascii_lowercase();
    for index in schema.indexes.values() {
        let shadow = schema.table(&index.table).is_some_and(|table| table.kind == TableKind::Shadow);
        if shadow {
            continue;
        }
        // Numbered by the order of constraints, which the text tells.
        let name = if is_internal(&index.name) { index.name.to_ascii_lowercase() } else { lower(&index.name) };
        let columns: Vec<String> = index
            .columns
            .iter()
            .map(|(column, descending, collation)| {
                let column =
                    column.as_ref().map_or_else(|| "expression".to_owned(), |column| column.to_ascii_lowercase());
                format!("{column} {}{}", collation.to_ascii_uppercase(), if *descending { " DESC" } else { "" })
            })
            .collect();
        found.insert(
            format!("index {name}"),
            format!(
                "on {} ({}), unique {}, partial {}, {:?}",
                lower(&index.table),
                columns.join(", "),
                index.unique,
                index.partial,
                index.origin
            ),
        );
    }
    for view in schema.views.values() {
        found.insert(format!("view {}", lower(&view.name)), view.columns.join(", ").to_ascii_lowercase());
    }
    for trigger in schema.triggers.values() {
        found.insert(format!("trigger {}", lower(&trigger.name)), format!("on {}", lower(&trigger.table)));
    }
    let header = &schema.header;
    for (name, value) in [
        ("user_version", header.user_version.to_string()),
        ("application_id", header.application_id.to_string()),
        ("encoding", header.encoding.clone()),
        ("auto_vacuum", header.auto_vacuum.to_string()),
        ("journal_mode", header.journal_mode.clone()),
    ] {
        found.insert(name.to_owned(), value);
    }
    found
}
