//! Frozen statistics: what a run has done to plans, and what the next `ANALYZE` would do, are two questions.
//!
//! `sqlite_stat1` and `sqlite_stat4` hold rows by name. Whoever drops a table or an index loses its rows, and so does
//! whoever renames a table: its rows stay behind under the old name. Right after a run that is the state production is in.
//! In the settled state every table and index that is as it was has its rows of before, to the last digit; only what is new
//! is analysed, and only where the database was ever analysed at all.

use super::schema::all;
use crate::engine::ServerError;
use crate::snapshot::sqlite::{Column, Index, IndexOrigin, Schema, Table, TableKind, quote, same_name};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::collections::BTreeSet;

/// One row of either table: its table, its index where it is of one, and the rest.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    table: String,
    index: Option<String>,
    values: Vec<Value>,
}

/// A table of statistics, and its columns behind `tbl` and `idx`.
const TABLES: [(&str, &str); 2] = [("sqlite_stat1", "stat"), ("sqlite_stat4", "neq, nlt, ndlt, sample")];

/// All statistics of one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Saved {
    /// Rows of each of [`TABLES`]; `None` where there is no such table.
    rows: [Option<Vec<Row>>; 2],
}

/// Where the statistics of a table or an index in the settled state come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// They had been lost or changed, and are again what they were.
    Kept,
    /// It is new, or its values are others: analysed.
    Analysed,
}

/// One table or index whose statistics were not what they are once settled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Repaired {
    /// Its table.
    pub table: String,
    /// The index; `None` for a table that has none.
    pub index: Option<String>,
    /// Where they come from.
    pub method: Method,
}

impl Saved {
    /// Reads them.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn read(connection: &Connection) -> Result<Self, ServerError> {
        let mut saved = Self::default();
        for (rows, (table, columns)) in saved.rows.iter_mut().zip(TABLES) {
            *rows = read(connection, table, columns)?;
        }
        Ok(saved)
    }

    /// Whether the database was ever analysed.
    pub fn is_empty(&self) -> bool {
        self.rows.iter().flatten().all(Vec::is_empty)
    }

    /// Rows of one of [`TABLES`] about a table, by its name: those of one index, or those of the table itself.
    fn of<'a>(&'a self, at: usize, table: &'a str, index: Option<&'a str>) -> impl Iterator<Item = &'a Row> {
        let ours = move |row: &&Row| {
            let same = match (row.index.as_deref(), index) {
                (Some(known), Some(index)) => same_name(known, index),
                (None, None) => true,
                _ => false,
            };
            same_name(&row.table, table) && same
        };
        self.rows[at].iter().flatten().filter(ours)
    }

    fn knows(&self, table: &str) -> bool {
        self.rows.iter().flatten().flatten().any(|row| same_name(&row.table, table))
    }
}

fn read(connection: &Connection, table: &str, columns: &str) -> Result<Option<Vec<Row>>, ServerError> {
    let exists = format!("SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = '{table}'");
    if all(connection, &exists, |_| Ok(()))?.is_empty() {
        return Ok(None);
    }
    let count = columns.split(',').count();
    // Whoever fills it by hand may leave the table out.
    let sql = format!("SELECT tbl, idx, {columns} FROM main.{table} WHERE tbl IS NOT NULL ORDER BY rowid");
    let rows = all(connection, &sql, |row| {
        let values = (0..count).map(|at| row.get(at + 2)).collect::<rusqlite::Result<_>>()?;
        Ok(Row { table: row.get(0)?, index: row.get(1)?, values })
    })?;
    Ok(Some(rows))
}

/// Tables and indexes that have statistics, in lower case; the index is empty where a table has none.
///
/// # Errors
/// What SQLite says.
pub fn listed(connection: &Connection) -> Result<BTreeSet<(String, String)>, ServerError> {
    let rows = read(connection, TABLES[0].0, TABLES[0].1)?.unwrap_or_default();
    Ok(rows
        .into_iter()
        .map(|row| (row.table.to_ascii_lowercase(), row.index.unwrap_or_default().to_ascii_lowercase()))
        .collect())
}

/// Brings the statistics to what the database settles into, and says what that took. `before` is the schema `saved` is of,
/// `after` the one there is now. Connections opened afterwards plan with them, and so does this one.
///
/// # Errors
/// What SQLite says; then nothing was changed.
pub fn settle(
    connection: &Connection,
    saved: &Saved,
    before: &Schema,
    after: &Schema,
) -> Result<Vec<Repaired>, ServerError> {
    if saved.is_empty() {
        return Ok(Vec::new());
    }
    let now = Saved::read(connection)?;
    let mut repairs = Vec::new();
    for table in after.tables.values().filter(|table| table.kind == TableKind::Ordinary) {
        let was = former(table, before, after);
        // Nobody analysed it then: nobody does now.
        if was.is_some_and(|was| !saved.knows(&was.name)) {
            continue;
        }
        // First: to analyse it is to analyse its indexes too.
        if table.without_rowid {
            repairs.extend(repair_key(saved, &now, table, was));
        }
        let mut indexes: Vec<Option<&Index>> = after.indexes_of(&table.name).map(Some).collect();
        if indexes.is_empty() && !table.without_rowid {
            indexes.push(None);
        }
        for index in indexes {
            repairs.extend(repair(saved, &now, before, (table, was), index));
        }
    }
    if repairs.is_empty() {
        return Ok(Vec::new());
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let done = write(connection, saved, &repairs);
    connection.execute_batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    done?;
    // Read anew: what was put into the tables by hand nobody has seen yet.
    connection.execute_batch("ANALYZE main.sqlite_schema")?;
    let mut told: Vec<Repaired> = repairs.into_iter().map(|repair| repair.told).collect();
    told.sort();
    Ok(told)
}

/// What has to be done about one table or index.
struct Repair {
    told: Repaired,
    /// Under which names its rows were saved, where these are the ones to have.
    was: Option<(String, Option<String>)>,
}

fn repair(
    saved: &Saved,
    now: &Saved,
    before: &Schema,
    (table, was): (&Table, Option<&Table>),
    index: Option<&Index>,
) -> Option<Repair> {
    let name = index.map(|index| index.name.as_str());
    let told = |method| Repaired { table: table.name.clone(), index: name.map(str::to_owned), method };
    let same = was.and_then(|was| match index {
        Some(index) => {
            let same = before.indexes_of(&was.name).filter(|old| is_same(old, was, index, table));
            let same: Vec<&Index> = same.collect();
            // Of several that are alike the one that is called so.
            let named = same.iter().find(|old| same_name(&old.name, &index.name)).or_else(|| same.first());
            named.map(|old| (was.name.clone(), Some(old.name.clone())))
        }
        None => Some((was.name.clone(), None)),
    });
    let (table_was, index_was) = match same {
        // An index that came after the last ANALYZE has none, and so has one that is made again.
        Some((table, index)) if saved.of(0, &table, index.as_deref()).next().is_none() => {
            // Of a table that had an index and has none now, its rows are known by that.
            return index.is_none().then(|| Repair { told: told(Method::Analysed), was: None });
        }
        Some(names) => names,
        None => return Some(Repair { told: told(Method::Analysed), was: None }),
    };
    let values = |of: &Saved, at: usize, table: &str, index: Option<&str>| -> Vec<Vec<Value>> {
        of.of(at, table, index).map(|row| row.values.clone()).collect()
    };
    let alike = (0..TABLES.len())
        .all(|at| values(saved, at, &table_was, index_was.as_deref()) == values(now, at, &table.name, name));
    (!alike).then(|| Repair { told: told(Method::Kept), was: Some((table_was, index_was)) })
}

/// The same for the key of a table without rowids: its rows stand under the table's name.
fn repair_key(saved: &Saved, now: &Saved, table: &Table, was: Option<&Table>) -> Option<Repair> {
    let told = |method| Repaired { table: table.name.clone(), index: Some(table.name.clone()), method };
    let key = |table: &Table| -> Vec<_> {
        table.key().iter().map(|column| (column.name.to_ascii_lowercase(), column.affinity())).collect()
    };
    let Some(was) = was.filter(|was| was.without_rowid && key(was) == key(table)) else {
        return Some(Repair { told: told(Method::Analysed), was: None });
    };
    let values = |of: &Saved, name: &str| -> Vec<Vec<Value>> {
        (0..TABLES.len()).flat_map(|at| of.of(at, name, Some(name)).map(|row| row.values.clone())).collect()
    };
    let (saved, now) = (values(saved, &was.name), values(now, &table.name));
    let kept = || Some((was.name.clone(), Some(was.name.clone())));
    (!saved.is_empty() && saved != now).then(|| Repair { told: told(Method::Kept), was: kept() })
}

/// What a table was before: the one of its name, or the one that was renamed to it, which leaves its root page.
fn former<'a>(table: &Table, before: &'a Schema, after: &Schema) -> Option<&'a Table> {
    let gone = |old: &&Table| after.table(&old.name).is_none();
    let moved = |old: &&Table| old.root_page == table.root_page && old.kind == table.kind;
    before.table(&table.name).or_else(|| before.tables.values().filter(gone).find(moved))
}

/// Whether an index holds the same values in the same order: samples hold them word for word.
fn is_same(old: &Index, old_table: &Table, new: &Index, table: &Table) -> bool {
    let origin = |index: &Index| index.origin == IndexOrigin::PrimaryKey;
    let columns = |index: &Index, table: &Table| -> Vec<_> {
        let affinity = |name: &String| table.column(name).map(Column::affinity);
        let place = |name: &String| table.columns.iter().position(|column| same_name(&column.name, name));
        let each = index.columns.iter().map(|(name, descending, collation)| {
            (
                name.as_ref().and_then(affinity),
                name.as_ref().and_then(place),
                *descending,
                collation.to_ascii_uppercase(),
            )
        });
        each.collect()
    };
    let names = |index: &Index| -> Vec<_> {
        index.columns.iter().map(|(name, ..)| name.as_ref().map(|name| name.to_ascii_lowercase())).collect()
    };
    let (was, now) = (columns(old, old_table), columns(new, table));
    let without_places = |columns: &[(Option<_>, Option<usize>, bool, String)]| -> Vec<_> {
        columns.iter().map(|(affinity, _, descending, collation)| (*affinity, *descending, collation.clone())).collect()
    };
    // The same columns by name; or, where one was renamed, by their places.
    let same_columns = names(old) == names(new) && without_places(&was) == without_places(&now)
        || was == now && old_table.columns.len() == table.columns.len();
    let has_text = old.partial || old.columns.iter().any(|(name, ..)| name.is_none());
    old.unique == new.unique
        && origin(old) == origin(new)
        && old.partial == new.partial
        && old_table.without_rowid == table.without_rowid
        && same_columns
        && (!has_text || written(old) == written(new))
}

/// What stands behind the table's name in `CREATE INDEX`: expressions and a predicate are told nowhere else.
fn written(index: &Index) -> Option<String> {
    let text = index.sql.as_deref()?;
    let text = text.get(text.find('(')?..)?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" ").replace('"', ""))
}

fn write(connection: &Connection, saved: &Saved, repairs: &[Repair]) -> Result<(), ServerError> {
    // Makes the tables anew where the run dropped them.
    connection.execute_batch("ANALYZE main.sqlite_schema")?;
    for Repair { told, was } in repairs {
        let Some((table_was, index_was)) = was else {
            let name = told.index.as_ref().unwrap_or(&told.table);
            connection.execute_batch(&format!("ANALYZE main.{}", quote(name)))?;
            continue;
        };
        for (at, (stat, columns)) in TABLES.iter().enumerate() {
            let Some(rows) = &saved.rows[at] else { continue };
            debug_assert!(rows.iter().all(|row| row.values.len() == columns.split(',').count()));
            let sql = format!("DELETE FROM main.{stat} WHERE lower(tbl) = lower(?1) AND idx IS ?2 COLLATE NOCASE");
            connection.execute(&sql, (&told.table, &told.index))?;
            let places = ", ?".repeat(columns.split(',').count());
            let mut insert =
                connection.prepare(&format!("INSERT INTO main.{stat} (tbl, idx, {columns}) VALUES (?, ?{places})"))?;
            for row in saved.of(at, table_was, index_was.as_deref()) {
                let names = [Value::Text(told.table.clone()), told.index.clone().map_or(Value::Null, Value::Text)];
                insert.execute(rusqlite::params_from_iter(names.iter().chain(&row.values)))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
