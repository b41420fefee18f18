//! The schema of an SQLite database at one moment, as `sqlite_schema` and the pragmas that look into it tell it.

pub mod catalog;
pub mod identity;

use std::collections::BTreeMap;

/// The schema at one moment. Maps are keyed by name as it is written in the schema; names are equal in any case, see
/// [`same_name`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// Tables: SQLite's own (`sqlite_sequence`, `sqlite_stat1`, …) left out, virtual ones and their shadows in.
    pub tables: BTreeMap<String, Table>,
    /// Indexes, those made by constraints too.
    pub indexes: BTreeMap<String, Index>,
    /// Triggers.
    pub triggers: BTreeMap<String, Trigger>,
    /// Views.
    pub views: BTreeMap<String, View>,
    /// `sqlite_sequence`: the last number of each `AUTOINCREMENT` table, by table.
    pub sequence: BTreeMap<String, i64>,
    /// What stands in the file's header.
    pub header: Header,
}

/// Values of a database file's header that applications set or rely on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// `PRAGMA user_version`.
    pub user_version: i64,
    /// `PRAGMA application_id`.
    pub application_id: i64,
    /// `PRAGMA encoding`.
    pub encoding: String,
    /// `PRAGMA page_size`, in bytes.
    pub page_size: u64,
    /// `PRAGMA page_count`.
    pub pages: u64,
    /// `PRAGMA freelist_count`: pages nothing is in.
    pub free_pages: u64,
    /// `PRAGMA auto_vacuum`: 0 none, 1 full, 2 incremental.
    pub auto_vacuum: i64,
    /// `PRAGMA journal_mode`, such as `wal` or `delete`.
    pub journal_mode: String,
}

/// What kind of table it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableKind {
    /// `CREATE TABLE`.
    Ordinary,
    /// `CREATE VIRTUAL TABLE`.
    Virtual,
    /// A table a virtual one keeps its data in: never changed by itself.
    Shadow,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Name, unquoted.
    pub name: String,
    /// `sqlite_schema.sql`, word for word.
    pub sql: String,
    /// `sqlite_schema.rootpage`; 0 for a virtual table.
    pub root_page: i64,
    /// Kind.
    pub kind: TableKind,
    /// `STRICT`.
    pub strict: bool,
    /// `WITHOUT ROWID`.
    pub without_rowid: bool,
    /// Its key is `INTEGER PRIMARY KEY AUTOINCREMENT`.
    pub autoincrement: bool,
    /// In order, generated and hidden ones too.
    pub columns: Vec<Column>,
    /// `REFERENCES`, as `PRAGMA foreign_key_list` tells them, in its order.
    pub foreign_keys: Vec<ForeignKey>,
}

/// How a value is stored in a column, from its declared type.
///
/// Source: SQLite, "Datatypes In SQLite", "Determination Of Column Affinity".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Affinity {
    /// `TEXT`
    Text,
    /// `NUMERIC`
    Numeric,
    /// `INTEGER`
    Integer,
    /// `REAL`
    Real,
    /// `BLOB`, or no type at all
    Blob,
}

impl Affinity {
    /// Of a declared type.
    pub fn of(type_name: &str) -> Self {
        let name = type_name.to_ascii_uppercase();
        let has = |part: &str| name.contains(part);
        if has("INT") {
            Self::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Self::Text
        } else if has("BLOB") || name.is_empty() {
            Self::Blob
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Self::Real
        } else {
            Self::Numeric
        }
    }

    /// SQLite's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Numeric => "NUMERIC",
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Blob => "BLOB",
        }
    }
}

/// Whether and how a column is hidden or generated: `PRAGMA table_xinfo`'s last column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ColumnKind {
    /// An ordinary column.
    Ordinary,
    /// Hidden, of a virtual table.
    Hidden,
    /// `GENERATED ALWAYS AS (…) VIRTUAL`
    VirtualGenerated,
    /// `GENERATED ALWAYS AS (…) STORED`
    StoredGenerated,
}

impl ColumnKind {
    /// Whether rows hold a value of their own that can be written.
    pub fn is_written(self) -> bool {
        self == Self::Ordinary
    }
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name, unquoted.
    pub name: String,
    /// Declared type, as written; may be empty.
    pub type_name: String,
    /// `NOT NULL`.
    pub not_null: bool,
    /// `DEFAULT`, as an expression.
    pub default: Option<String>,
    /// Its place in the primary key, from 1; 0 outside it.
    pub key: u32,
    /// Whether it is generated or hidden.
    pub kind: ColumnKind,
}

impl Column {
    /// How its values are stored.
    pub fn affinity(&self) -> Affinity {
        Affinity::of(&self.type_name)
    }
}

/// One foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// Columns of the table it stands in, in order.
    pub columns: Vec<String>,
    /// The table it refers to, as written.
    pub table: String,
    /// Referenced columns, in order; empty where it refers to the primary key without naming it.
    pub referenced: Vec<String>,
    /// `ON DELETE`.
    pub on_delete: String,
    /// `ON UPDATE`.
    pub on_update: String,
}

/// Where an index comes from: `PRAGMA index_list`'s origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IndexOrigin {
    /// `CREATE INDEX`
    Created,
    /// A `UNIQUE` constraint
    Unique,
    /// A `PRIMARY KEY`
    PrimaryKey,
}

/// One index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Name, unquoted; `sqlite_autoindex_…` for a constraint's.
    pub name: String,
    /// Its table.
    pub table: String,
    /// `sqlite_schema.sql`, word for word; none for a constraint's.
    pub sql: Option<String>,
    /// `sqlite_schema.rootpage`.
    pub root_page: i64,
    /// `UNIQUE`.
    pub unique: bool,
    /// Where it comes from.
    pub origin: IndexOrigin,
    /// It has a `WHERE`.
    pub partial: bool,
    /// Key columns, in order: the name, or none for an expression; whether it is descending; its collation.
    pub columns: Vec<(Option<String>, bool, String)>,
}

/// One trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Name, unquoted.
    pub name: String,
    /// The table or view it is on.
    pub table: String,
    /// `sqlite_schema.sql`, word for word.
    pub sql: String,
}

/// One view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Name, unquoted.
    pub name: String,
    /// `sqlite_schema.sql`, word for word.
    pub sql: String,
    /// Names of its columns, in order; empty where SQLite refuses to look into it, as when its tables are gone.
    pub columns: Vec<String>,
}

/// Whether two names mean the same: letters of ASCII are equal in either case.
pub fn same_name(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

/// Whether a name is SQLite's own.
pub fn is_internal(name: &str) -> bool {
    name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"))
}

/// A name in double quotes, as every statement of ours spells it.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Text as a string literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Schema {
    /// A table by its name in any case.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name).or_else(|| self.tables.values().find(|table| same_name(&table.name, name)))
    }

    /// Indexes of a table, by name.
    pub fn indexes_of<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a Index> {
        self.indexes.values().filter(move |index| same_name(&index.table, table))
    }

    /// Triggers of a table or view, by name.
    pub fn triggers_of<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a Trigger> {
        self.triggers.values().filter(move |trigger| same_name(&trigger.table, table))
    }
}

impl Table {
    /// A column by its name in any case.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| same_name(&column.name, name))
    }

    /// Columns of the primary key, in its order.
    pub fn key(&self) -> Vec<&Column> {
        let mut key: Vec<&Column> = self.columns.iter().filter(|column| column.key > 0).collect();
        key.sort_by_key(|column| column.key);
        key
    }

    /// The name by which its rowid can be asked for: one no column bears; `None` where there is none.
    pub fn rowid(&self) -> Option<&'static str> {
        let free = |name: &&'static str| self.column(name).is_none();
        ["rowid", "_rowid_", "oid"].into_iter().find(free).filter(|_| !self.without_rowid)
    }

    /// The column that is another name for the rowid: a single `INTEGER PRIMARY KEY`.
    pub fn rowid_alias(&self) -> Option<&Column> {
        match self.key().as_slice() {
            // The type has to be this very word; one written DESC is an ordinary column, and then has an index of its own.
            [only] if !self.without_rowid && only.type_name.eq_ignore_ascii_case("INTEGER") => Some(only),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affinity_follows_the_five_rules_in_their_order() {
        for (type_name, affinity) in [
            ("INT", Affinity::Integer),
            ("UNSIGNED BIG INT", Affinity::Integer),
            ("FLOATING POINT", Affinity::Integer),
            ("CHARINT", Affinity::Integer),
            ("varchar(255)", Affinity::Text),
            ("CLOB", Affinity::Text),
            ("BLOB", Affinity::Blob),
            ("", Affinity::Blob),
            ("DOUBLE PRECISION", Affinity::Real),
            ("DECIMAL(10,5)", Affinity::Numeric),
            ("BOOLEAN", Affinity::Numeric),
            ("STRING", Affinity::Numeric),
        ] {
            assert_eq!(Affinity::of(type_name), affinity, "{type_name}");
        }
    }
}
