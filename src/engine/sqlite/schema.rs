//! Reads the schema of a copy.

use crate::engine::ServerError;
use crate::snapshot::sqlite::{
    Column, ColumnKind, ForeignKey, Header, Index, IndexOrigin, Schema, Table, TableKind, Trigger, View, is_internal,
    quote,
};
use rusqlite::{Connection, Row};
use std::collections::BTreeMap;

/// Everything the schema holds now.
///
/// # Errors
/// What SQLite says; a schema it cannot parse among it.
pub fn read(connection: &Connection) -> Result<Schema, ServerError> {
    let mut schema = Schema { header: header(connection)?, ..Schema::default() };
    let kinds = table_kinds(connection)?;
    let rows =
        all(connection, "SELECT type, name, tbl_name, rootpage, sql FROM main.sqlite_schema ORDER BY rowid", |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get::<_, Option<i64>>(3)?.unwrap_or(0), row.get(4)?))
        })?;
    let mut indexes = Vec::new();
    for (kind, name, table, root_page, sql) in rows {
        let (kind, name, table, sql): (String, String, String, Option<String>) = (kind, name, table, sql);
        match (kind.as_str(), sql) {
            ("table", Some(sql)) if !is_internal(&name) => {
                let told = kinds.get(&name).copied().unwrap_or_default();
                let found = read_table(connection, name.clone(), sql, root_page, told)?;
                schema.tables.insert(name, found);
            }
            ("index", sql) => indexes.push((name, table, root_page, sql)),
            ("view", Some(sql)) => {
                // One whose tables are gone is still there, and cannot be looked into.
                let columns = columns(connection, &name).unwrap_or_default();
                let columns = columns.into_iter().map(|column| column.name).collect();
                schema.views.insert(name.clone(), View { name, sql, columns });
            }
            ("trigger", Some(sql)) => {
                schema.triggers.insert(name.clone(), Trigger { name, table, sql });
            }
            _ => {}
        }
    }
    let mut lists: BTreeMap<String, BTreeMap<String, (bool, IndexOrigin, bool)>> = BTreeMap::new();
    for (name, table, root_page, sql) in indexes {
        if !lists.contains_key(&table) {
            lists.insert(table.clone(), index_list(connection, &table)?);
        }
        let listed = lists.get(&table).and_then(|list| list.get(&name)).copied();
        let (unique, origin, partial) = listed.unwrap_or((false, IndexOrigin::Created, false));
        let columns = index_columns(connection, &name)?;
        schema.indexes.insert(name.clone(), Index { name, table, sql, root_page, unique, origin, partial, columns });
    }
    schema.sequence = sequence(connection)?;
    Ok(schema)
}

/// The rows of a query, each read by `read`.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, ServerError> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| read(row))?;
    Ok(rows.collect::<rusqlite::Result<Vec<T>>>()?)
}

/// One value of a pragma.
fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> Result<T, ServerError> {
    Ok(connection.query_row(&format!("PRAGMA main.{name}"), [], |row| row.get(0))?)
}

fn header(connection: &Connection) -> Result<Header, ServerError> {
    Ok(Header {
        user_version: pragma(connection, "user_version")?,
        application_id: pragma(connection, "application_id")?,
        encoding: pragma(connection, "encoding")?,
        page_size: pragma::<i64>(connection, "page_size")?.unsigned_abs(),
        pages: pragma::<i64>(connection, "page_count")?.unsigned_abs(),
        free_pages: pragma::<i64>(connection, "freelist_count")?.unsigned_abs(),
        auto_vacuum: pragma(connection, "auto_vacuum")?,
        journal_mode: pragma(connection, "journal_mode")?,
    })
}

/// What `PRAGMA table_list` says of a table.
#[derive(Debug, Clone, Copy)]
struct Told {
    kind: TableKind,
    without_rowid: bool,
    strict: bool,
}

impl Default for Told {
    fn default() -> Self {
        Self { kind: TableKind::Ordinary, without_rowid: false, strict: false }
    }
}

fn table_kinds(connection: &Connection) -> Result<BTreeMap<String, Told>, ServerError> {
    let sql = "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main'";
    let rows = all(connection, sql, |row| {
        let kind: String = row.get(1)?;
        let kind = match kind.as_str() {
            "virtual" => TableKind::Virtual,
            "shadow" => TableKind::Shadow,
            _ => TableKind::Ordinary,
        };
        Ok((row.get(0)?, Told { kind, without_rowid: row.get(2)?, strict: row.get(3)? }))
    })?;
    Ok(rows.into_iter().collect())
}

fn read_table(
    connection: &Connection,
    name: String,
    sql: String,
    root_page: i64,
    told: Told,
) -> Result<Table, ServerError> {
    // A virtual table whose module is not compiled in here cannot be looked into.
    let columns = match columns(connection, &name) {
        Err(_) if told.kind == TableKind::Virtual => Vec::new(),
        columns => columns?,
    };
    let foreign_keys = foreign_keys(connection, &name)?;
    let Told { kind, without_rowid, strict } = told;
    let autoincrement = kind == TableKind::Ordinary && has_word(&sql, "AUTOINCREMENT");
    Ok(Table { name, sql, root_page, kind, strict, without_rowid, autoincrement, columns, foreign_keys })
}

/// Whether a word stands in a statement, outside strings, quoted names and comments.
fn has_word(sql: &str, word: &str) -> bool {
    crate::migration::script::words::words(sql).iter().any(|each| each.is(word))
}

fn columns(connection: &Connection, table: &str) -> Result<Vec<Column>, ServerError> {
    let sql = format!("PRAGMA main.table_xinfo({})", quote(table));
    all(connection, &sql, |row| {
        let kind = match row.get::<_, i64>(6)? {
            1 => ColumnKind::Hidden,
            2 => ColumnKind::VirtualGenerated,
            3 => ColumnKind::StoredGenerated,
            _ => ColumnKind::Ordinary,
        };
        Ok(Column {
            name: row.get(1)?,
            type_name: row.get(2)?,
            not_null: row.get(3)?,
            default: row.get(4)?,
            key: row.get(5)?,
            kind,
        })
    })
}

fn foreign_keys(connection: &Connection, table: &str) -> Result<Vec<ForeignKey>, ServerError> {
    let sql = format!("PRAGMA main.foreign_key_list({})", quote(table));
    let rows = all(connection, &sql, |row| {
        let (id, referenced): (i64, Option<String>) = (row.get(0)?, row.get(4)?);
        let key = ForeignKey {
            columns: vec![row.get(3)?],
            table: row.get(2)?,
            referenced: referenced.into_iter().collect(),
            on_update: row.get(5)?,
            on_delete: row.get(6)?,
        };
        Ok((id, key))
    })?;
    let mut keys: BTreeMap<i64, ForeignKey> = BTreeMap::new();
    for (id, key) in rows {
        match keys.get_mut(&id) {
            Some(known) => {
                known.columns.extend(key.columns);
                known.referenced.extend(key.referenced);
            }
            None => {
                keys.insert(id, key);
            }
        }
    }
    Ok(keys.into_values().collect())
}

fn index_list(
    connection: &Connection,
    table: &str,
) -> Result<BTreeMap<String, (bool, IndexOrigin, bool)>, ServerError> {
    let sql = format!("PRAGMA main.index_list({})", quote(table));
    let rows = all(connection, &sql, |row| {
        let origin: String = row.get(3)?;
        let origin = match origin.as_str() {
            "u" => IndexOrigin::Unique,
            "pk" => IndexOrigin::PrimaryKey,
            _ => IndexOrigin::Created,
        };
        Ok((row.get(1)?, (row.get(2)?, origin, row.get(4)?)))
    })?;
    Ok(rows.into_iter().collect())
}

fn index_columns(connection: &Connection, index: &str) -> Result<Vec<(Option<String>, bool, String)>, ServerError> {
    let sql = format!("PRAGMA main.index_xinfo({})", quote(index));
    let rows = all(connection, &sql, |row| Ok((row.get::<_, bool>(5)?, (row.get(2)?, row.get(3)?, row.get(4)?))))?;
    // What stands behind the key is the rowid or the primary key, which every index ends with.
    Ok(rows.into_iter().filter(|(key, _)| *key).map(|(_, column)| column).collect())
}

fn sequence(connection: &Connection) -> Result<BTreeMap<String, i64>, ServerError> {
    let there = "SELECT count(*) FROM main.sqlite_schema WHERE name = 'sqlite_sequence'";
    if connection.query_row(there, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(BTreeMap::new());
    }
    // People may write to it: then it may hold anything.
    let sql = "SELECT name, seq FROM main.sqlite_sequence WHERE typeof(name) = 'text' AND typeof(seq) = 'integer'";
    Ok(all(connection, sql, |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::sqlite::Affinity;

    #[test]
    fn everything_a_schema_can_hold_is_read() {
        let connection = Connection::open_in_memory().expect("memory");
        connection
            .execute_batch(
                "CREATE TABLE customers (id INTEGER PRIMARY KEY AUTOINCREMENT, \"E-Mail\" TEXT NOT NULL UNIQUE);
                 INSERT INTO customers (\"E-Mail\") VALUES ('a'), ('b');
                 CREATE TABLE orders (
                     number TEXT, line INT, customer INTEGER REFERENCES customers ON DELETE CASCADE,
                     price REAL DEFAULT (1 + 1), twice REAL AS (price * 2), kept REAL AS (price * 3) STORED,
                     PRIMARY KEY (number, line)
                 ) WITHOUT ROWID, STRICT;",
            )
            .expect("tables");
        connection
            .execute_batch(
                "CREATE TABLE tags (tag TEXT PRIMARY KEY);
                 CREATE INDEX by_price ON orders (price DESC, lower(number)) WHERE price > 1;
                 CREATE VIEW dear AS SELECT number AS \"No.\", price FROM orders WHERE price > 100;
                 CREATE TRIGGER no_less BEFORE UPDATE ON orders BEGIN SELECT 1; END;
                 CREATE VIRTUAL TABLE notes USING fts5(text);
                 PRAGMA user_version = 7; ANALYZE;",
            )
            .expect("others");
        let schema = read(&connection).expect("read");
        let orders = schema.table("ORDERS").expect("orders");
        assert!(orders.strict && orders.without_rowid && !orders.autoincrement);
        assert_eq!(orders.key().iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["number", "line"]);
        assert_eq!(orders.foreign_keys[0].table, "customers");
        assert_eq!(orders.foreign_keys[0].on_delete, "CASCADE");
        let kinds: Vec<ColumnKind> = orders.columns.iter().map(|column| column.kind).collect();
        assert_eq!(kinds[4..], [ColumnKind::VirtualGenerated, ColumnKind::StoredGenerated]);
        assert_eq!(orders.column("price").expect("price").affinity(), Affinity::Real);
        assert_eq!(orders.column("price").expect("price").default.as_deref(), Some("1 + 1"));
        let customers = schema.table("customers").expect("customers");
        assert!(customers.autoincrement && customers.rowid_alias().is_some_and(|column| column.name == "id"));
        assert_eq!(schema.sequence.get("customers"), Some(&2));
        let index = &schema.indexes["by_price"];
        assert!(index.partial && !index.unique && index.origin == IndexOrigin::Created);
        assert_eq!(
            index.columns,
            [(Some("price".to_owned()), true, "BINARY".to_owned()), (None, false, "BINARY".to_owned())]
        );
        let origins: Vec<IndexOrigin> = schema.indexes.values().map(|index| index.origin).collect();
        assert!(origins.contains(&IndexOrigin::Unique) && origins.contains(&IndexOrigin::PrimaryKey));
        assert_eq!(schema.views["dear"].columns, ["No.", "price"]);
        assert_eq!(schema.triggers["no_less"].table, "orders");
        assert_eq!(schema.tables["notes"].kind, TableKind::Virtual);
        assert!(schema.tables.values().any(|table| table.kind == TableKind::Shadow));
        assert!(!schema.tables.keys().any(|name| is_internal(name)));
        assert_eq!(schema.header.user_version, 7);
    }
}
