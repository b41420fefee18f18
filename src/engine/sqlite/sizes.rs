//! How large tables and indexes are: counted, not estimated.

use super::schema::all;
use crate::engine::ServerError;
use crate::snapshot::sqlite::identity::{Identities, Kind};
use crate::snapshot::sqlite::{Schema, TableKind, quote};
use crate::snapshot::{Oid, RelationSize};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// Pages and rows of everything that has pages of its own.
///
/// # Errors
/// What SQLite says.
pub fn read(
    connection: &Connection,
    schema: &Schema,
    identities: &Identities,
) -> Result<BTreeMap<Oid, RelationSize>, ServerError> {
    let sql = "SELECT name, pageno, pgsize FROM dbstat('main', 1)";
    let pages = all(connection, sql, |row| {
        Ok((row.get::<_, String>(0)?, (row.get::<_, i64>(1)?.unsigned_abs(), row.get::<_, i64>(2)?.unsigned_abs())))
    })?;
    let pages: BTreeMap<String, (u64, u64)> = pages.into_iter().collect();
    let size = |name: &str, rows: Option<f64>| {
        let (blocks, bytes) = pages.get(name).copied().unwrap_or_default();
        RelationSize { bytes, table_bytes: bytes, blocks, rows, all_visible: 0 }
    };
    let mut sizes = BTreeMap::new();
    for table in schema.tables.values().filter(|table| table.kind == TableKind::Ordinary) {
        if let Some(oid) = identities.relation(&table.name) {
            sizes.insert(oid, size(&table.name, Some(rows(connection, &table.name)? as f64)));
        }
    }
    for index in schema.indexes.values() {
        if let Some(oid) = identities.get(Kind::Index, &index.name) {
            sizes.insert(oid, size(&index.name, None));
        }
    }
    Ok(sizes)
}

/// How many rows a table has.
///
/// # Errors
/// What SQLite says.
pub fn rows(connection: &Connection, table: &str) -> Result<u64, ServerError> {
    let sql = format!("SELECT count(*) FROM main.{}", quote(table));
    Ok(connection.query_row(&sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
}
