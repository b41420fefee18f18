//! What is lost without `prepare.sql`: saved values that are nowhere else once the migration ran.

use super::{Scripts, backups};
use crate::engine::ServerError;
use crate::engine::sqlite::schema::read;
use crate::rollback::prove::Loss;
use crate::snapshot::catalog::qualify;
use crate::snapshot::sqlite::catalog::MAIN;
use crate::snapshot::sqlite::{Schema, quote, same_name};
use rusqlite::Connection;

/// Counts, right after the migration, the saved rows and values the tables they came from do not hold any more.
pub(super) fn count(connection: &Connection, scripts: &Scripts, before: &Schema) -> Result<Vec<Loss>, ServerError> {
    let now = read(connection)?;
    let mut found = Vec::new();
    for backup in backups(connection, scripts)? {
        let Some(rest) = backup.strip_prefix(scripts.backup_schema.as_str()).and_then(|rest| rest.strip_prefix('_'))
        else {
            continue;
        };
        let Some(table) = before.table(rest).or_else(|| before.table(rest.trim_end_matches('_'))) else { continue };
        let columns = read_columns(&now, &backup);
        let named = |name: &str| columns.iter().any(|column| same_name(column, name));
        let own = super::super::save::own(table);
        let whole = own.clone().all(|column| named(&column.name));
        let there = now.table(&table.name);
        let count = |sql: &str| -> Result<u64, ServerError> {
            Ok(connection.query_row(sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
        };
        if whole {
            // Rows as a set: how many of the saved ones are not there as they were.
            let is_there = |name: &str| there.is_some_and(|there| there.column(name).is_some());
            let all = own.clone().all(|column| is_there(&column.name));
            let list = own.map(|column| quote(&column.name)).collect::<Vec<_>>().join(", ");
            let rows = if all {
                count(&format!(
                    "SELECT count(*) FROM (SELECT {list} FROM main.{} EXCEPT SELECT {list} FROM main.{})",
                    quote(&backup),
                    quote(&table.name)
                ))?
            } else {
                count(&format!("SELECT count(*) FROM main.{}", quote(&backup)))?
            };
            if rows > 0 {
                found.push(Loss { object: qualify(MAIN, &table.name), rows });
            }
            continue;
        }
        let key: Vec<&str> = table.key().iter().map(|column| column.name.as_str()).filter(|name| named(name)).collect();
        for column in table.columns.iter().filter(|column| named(&column.name) && !key.contains(&column.name.as_str()))
        {
            let (name, from) = (quote(&column.name), quote(&backup));
            let matched = there.filter(|there| there.column(&column.name).is_some());
            let hidden = named("seatrial_rowid");
            let mut same: Vec<String> = key.iter().map(|key| format!("t.{0} = b.{0}", quote(key))).collect();
            if let (true, Some(rowid)) = (hidden, matched.and_then(|there| there.rowid())) {
                same.push(format!("t.{rowid} = b.seatrial_rowid"));
            }
            let rows = match matched
                .filter(|there| !same.is_empty() && key.iter().all(|key| there.column(key).is_some()))
            {
                Some(there) => count(&format!(
                    "SELECT count(*) FROM main.{from} AS b WHERE b.{name} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM main.{} AS t \
                     WHERE {} AND t.{name} IS b.{name} AND typeof(t.{name}) = typeof(b.{name}))",
                    quote(&there.name),
                    same.join(" AND ")
                ))?,
                None => count(&format!("SELECT count(*) FROM main.{from} WHERE {name} IS NOT NULL"))?,
            };
            if rows > 0 {
                found.push(Loss { object: format!("{}.{}", qualify(MAIN, &table.name), column.name), rows });
            }
        }
    }
    Ok(found)
}

fn read_columns(schema: &Schema, table: &str) -> Vec<String> {
    let found = schema.table(table);
    found.map(|table| table.columns.iter().map(|column| column.name.clone()).collect()).unwrap_or_default()
}
