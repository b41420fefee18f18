//! The schema at one moment, keyed by OID and attribute number, so that renames are certain.

use super::Oid;
use std::collections::BTreeMap;

/// `pg_class.relkind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RelationKind {
    /// `r`
    Table,
    /// `p`
    PartitionedTable,
    /// `i`
    Index,
    /// `I`
    PartitionedIndex,
    /// `S`
    Sequence,
    /// `v`
    View,
    /// `m`
    MaterializedView,
    /// `c`
    CompositeType,
    /// `f`
    ForeignTable,
    /// `t`
    ToastTable,
}

/// A row of `pg_class`, outside the system schemas.
#[derive(Debug, Clone, PartialEq)]
pub struct Relation {
    /// `oid`.
    pub oid: Oid,
    /// Schema name, unquoted.
    pub schema: String,
    /// Name, unquoted.
    pub name: String,
    /// Schema-qualified, quoted only where SQL needs it.
    pub qualified: String,
    /// Kind.
    pub kind: RelationKind,
    /// Owner's name.
    pub owner: String,
    /// `pg_relation_filenode`; 0 where there is no storage.
    pub filenode: Oid,
    /// Its TOAST table, if any.
    pub toast: Option<Oid>,
    /// The partitioned table or inheritance parent it belongs to.
    pub parent: Option<Oid>,
    /// Whether it is a partition (`relispartition`).
    pub is_partition: bool,
    /// `relpersistence`: `p`, `u` or `t`.
    pub persistence: char,
    /// The extension it belongs to, if any.
    pub extension: Option<String>,
}

/// A live user column (`attnum > 0`, not dropped).
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// `attnum`.
    pub number: i16,
    /// Name, unquoted.
    pub name: String,
    /// `format_type`.
    pub type_name: String,
    /// `attnotnull`.
    pub not_null: bool,
    /// Default or generation expression, deparsed.
    pub default: Option<String>,
    /// `attidentity`: `a`, `d`, or none.
    pub identity: Option<char>,
    /// `attgenerated`: `s`, `v`, or none.
    pub generated: Option<char>,
    /// Collation where it is not the type's own, qualified.
    pub collation: Option<String>,
}

/// A row of `pg_index` with its relation.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// The index's OID; its name stands in [`Catalog::relations`].
    pub oid: Oid,
    /// The table it is on.
    pub table: Oid,
    /// `pg_get_indexdef`.
    pub definition: String,
    /// The same with the index's name replaced by a fixed word: equal for the same index under another name.
    pub shape: String,
    /// Names of the key columns in order (expressions deparsed), then included ones.
    pub keys: Vec<String>,
    /// How many of `keys` are key columns.
    pub key_count: usize,
    /// `indisunique`.
    pub unique: bool,
    /// `indisprimary`.
    pub primary: bool,
    /// `indisvalid`.
    pub valid: bool,
    /// The constraint it backs, if any.
    pub constraint: Option<Oid>,
    /// Predicate of a partial index.
    pub predicate: Option<String>,
    /// Access method.
    pub method: String,
}

/// A row of `pg_constraint` on a table or domain.
#[derive(Debug, Clone, PartialEq)]
pub struct Constraint {
    /// `oid`.
    pub oid: Oid,
    /// Table it is on; `None` for a domain's.
    pub table: Option<Oid>,
    /// Name, unquoted.
    pub name: String,
    /// `contype`.
    pub kind: char,
    /// `pg_get_constraintdef`.
    pub definition: String,
    /// `convalidated`.
    pub validated: bool,
    /// Referenced table of a foreign key.
    pub references: Option<Oid>,
    /// Names of its columns in order.
    pub columns: Vec<String>,
    /// Names of the referenced columns, in order.
    pub referenced_columns: Vec<String>,
    /// Inherited from a parent or partitioned table (`coninhcount > 0`).
    pub inherited: bool,
}

/// The schema at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog {
    /// By `pg_class.oid`: every kind, indexes and sequences too, TOAST left out.
    pub relations: BTreeMap<Oid, Relation>,
    /// By table OID and attribute number.
    pub columns: BTreeMap<(Oid, i16), Column>,
    /// By index OID.
    pub indexes: BTreeMap<Oid, Index>,
    /// By `pg_constraint.oid`.
    pub constraints: BTreeMap<Oid, Constraint>,
}

/// Schema-qualified name, quoted only where SQL needs it: lower-case letters, digits, `_` and `$` need no quotes
/// unless a digit comes first. Reserved words are quoted by the server's `quote_ident`, which fills the catalog.
pub fn qualify(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_if_needed(schema), quote_if_needed(name))
}

fn quote_if_needed(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
