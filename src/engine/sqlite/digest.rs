//! What rows a table holds, as a count and a sum of hashes that do not depend on order: one pass, row by row.

use super::schema::all;
use crate::engine::ServerError;
use crate::snapshot::sqlite::{ColumnKind, Schema, Table, TableKind, quote};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

/// Rows of one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest {
    /// How many.
    pub rows: u64,
    /// Sum of the hashes of their values.
    pub sum: u128,
}

/// The rows of a table, columns by name, so that their order does not matter. A rowid counts where it is a column, and
/// where it is what a virtual table's rows are known by: SQLite may renumber it anywhere else.
///
/// # Errors
/// What SQLite says.
pub fn of_table(connection: &Connection, table: &Table) -> Result<Digest, ServerError> {
    let visible = table.columns.iter().filter(|column| column.kind != ColumnKind::Hidden);
    let mut columns: Vec<&str> = visible.map(|column| column.name.as_str()).collect();
    columns.sort_by_key(|name| name.to_ascii_lowercase());
    let mut named: Vec<String> = columns.into_iter().map(quote).collect();
    if table.kind == TableKind::Virtual {
        named.extend(table.rowid().map(str::to_owned));
    }
    if named.is_empty() {
        return Ok(Digest::default());
    }
    of_query(connection, &format!("SELECT {} FROM main.{}", named.join(", "), quote(&table.name)))
}

/// The rows of a query.
///
/// # Errors
/// What SQLite says.
pub fn of_query(connection: &Connection, sql: &str) -> Result<Digest, ServerError> {
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut digest = Digest::default();
    while let Some(row) = rows.next()? {
        let mut hasher = SipHasher13::new();
        for column in 0..columns {
            add(&mut hasher, row.get_ref(column)?);
        }
        digest.rows += 1;
        digest.sum = digest.sum.wrapping_add(hasher.finish128().as_u128());
    }
    Ok(digest)
}

/// How it is stored is part of a value: 1, 1.0 and '1' are three. So is its length, lest two columns run together.
fn add(hasher: &mut SipHasher13, value: ValueRef<'_>) {
    let (tag, bytes): (u8, &[u8]) = match value {
        ValueRef::Null => (0, &[]),
        ValueRef::Integer(number) => (1, &number.to_le_bytes()),
        ValueRef::Real(number) => (2, &number.to_bits().to_le_bytes()),
        ValueRef::Text(text) => (3, text),
        ValueRef::Blob(blob) => (4, blob),
    };
    hasher.write_u8(tag);
    hasher.write_u64(bytes.len() as u64);
    hasher.write(bytes);
}

/// SQLite's own tables of planner statistics that are there: `sqlite_stat1` and `sqlite_stat4`.
///
/// # Errors
/// What SQLite says.
pub fn statistics(connection: &Connection) -> Result<Vec<String>, ServerError> {
    let sql = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name IN ('sqlite_stat1', 'sqlite_stat4') \
               ORDER BY name";
    all(connection, sql, |row| row.get(0))
}

/// The digest of every table of a schema that can be read, by name; those of statistics too. A virtual table whose
/// module is not there is left out, and so are shadow tables, which show in the tables they belong to.
///
/// # Errors
/// What SQLite says.
pub fn of_all(connection: &Connection, schema: &Schema) -> Result<Vec<(String, Digest)>, ServerError> {
    let mut found = Vec::new();
    for table in schema.tables.values().filter(|table| table.kind != TableKind::Shadow) {
        if table.kind == TableKind::Virtual && table.columns.is_empty() {
            continue;
        }
        found.push((table.name.clone(), of_table(connection, table)?));
    }
    for name in statistics(connection)? {
        let digest = of_query(connection, &format!("SELECT * FROM main.{}", quote(&name)))?;
        found.push((name, digest));
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::sqlite::{connection::in_memory, schema::read};

    fn digest(setup: &str) -> Digest {
        let connection = in_memory().unwrap();
        connection.execute_batch(setup).unwrap();
        let schema = read(&connection).unwrap();
        of_table(&connection, schema.table("t").unwrap()).unwrap()
    }

    #[test]
    fn order_of_rows_and_columns_makes_no_difference_and_the_way_a_value_is_stored_does() {
        let one = digest("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x'), (2, 'y')");
        assert_eq!(one.rows, 2);
        assert_eq!(one, digest("CREATE TABLE t (b, a); INSERT INTO t VALUES ('y', 2), ('x', 1)"));
        for other in [
            "INSERT INTO t VALUES (1.0, 'x'), (2, 'y')",
            "INSERT INTO t VALUES ('1', 'x'), (2, 'y')",
            "INSERT INTO t VALUES (1, x'78'), (2, 'y')",
            "INSERT INTO t VALUES (1, 'y'), (2, 'x')",
            "INSERT INTO t VALUES (1, NULL), (2, 'xy')",
            "INSERT INTO t VALUES (1, 'x'), (2, 'y'), (2, 'y')",
        ] {
            assert_ne!(one, digest(&format!("CREATE TABLE t (a, b); {other}")), "{other}");
        }
    }

    #[test]
    fn rowids_count_only_where_they_are_seen() {
        let rows = "INSERT INTO t (rowid, a) VALUES";
        assert_eq!(
            digest(&format!("CREATE TABLE t (a); {rows} (7, 1)")),
            digest(&format!("CREATE TABLE t (a); {rows} (9, 1)"))
        );
        let keyed = "CREATE TABLE t (id INTEGER PRIMARY KEY, a)";
        assert_ne!(digest(&format!("{keyed}; {rows} (7, 1)")), digest(&format!("{keyed}; {rows} (9, 1)")));
        let text = "CREATE VIRTUAL TABLE t USING fts5(a)";
        assert_ne!(digest(&format!("{text}; {rows} (7, 'x')")), digest(&format!("{text}; {rows} (9, 'x')")));
    }
}
