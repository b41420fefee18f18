//! The schema at one moment, keyed by OID and attribute number, so that renames are certain.

use super::Oid;
use super::object::{
    Address, DefaultPrivileges, Dependency, Function, OtherObject, Schema, Sequence, TableObject, Type,
};
use super::plan::quote_identifier_if_needed;
use super::shared::Shared;
use std::collections::{BTreeMap, BTreeSet};

/// `pg_class.relkind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

impl RelationKind {
    /// The kind by its letter.
    pub fn of(letter: char) -> Self {
        match letter {
            'p' => Self::PartitionedTable,
            'i' => Self::Index,
            'I' => Self::PartitionedIndex,
            'S' => Self::Sequence,
            'v' => Self::View,
            'm' => Self::MaterializedView,
            'c' => Self::CompositeType,
            'f' => Self::ForeignTable,
            't' => Self::ToastTable,
            _ => Self::Table,
        }
    }

    /// Its letter.
    pub fn letter(self) -> char {
        match self {
            Self::Table => 'r',
            Self::PartitionedTable => 'p',
            Self::Index => 'i',
            Self::PartitionedIndex => 'I',
            Self::Sequence => 'S',
            Self::View => 'v',
            Self::MaterializedView => 'm',
            Self::CompositeType => 'c',
            Self::ForeignTable => 'f',
            Self::ToastTable => 't',
        }
    }
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

impl Relation {
    /// A permanent one by itself: without parent, extension or TOAST table, its owner not known, its file called as it is.
    pub fn new(oid: Oid, schema: &str, name: &str, kind: RelationKind) -> Self {
        Self {
            oid,
            schema: schema.to_owned(),
            name: name.to_owned(),
            qualified: qualify(schema, name),
            kind,
            owner: String::new(),
            filenode: oid,
            toast: None,
            parent: None,
            is_partition: false,
            persistence: 'p',
            extension: None,
        }
    }
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

/// What [`Relation`] does not say: the rest of `pg_class` and what hangs on it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RelationDetail {
    /// Effective privileges, one `aclitem` each, sorted; the owner's defaults are spelled out.
    pub acl: Vec<String>,
    /// `COMMENT ON`.
    pub comment: Option<String>,
    /// `reloptions`, in order.
    pub options: Vec<String>,
    /// `reloptions` of its TOAST table, in order.
    pub toast_options: Vec<String>,
    /// `relrowsecurity`.
    pub row_security: bool,
    /// `relforcerowsecurity`.
    pub force_row_security: bool,
    /// `relreplident`: `d`, `n`, `f` or `i`.
    pub replica_identity: char,
    /// `relispopulated`.
    pub populated: bool,
    /// Bound of a partition, as in `FOR VALUES …`.
    pub partition_bound: Option<String>,
    /// Key of a partitioned table, as after `PARTITION BY`.
    pub partition_key: Option<String>,
    /// Access method where it has one.
    pub access_method: Option<String>,
    /// Tablespace other than the database's.
    pub tablespace: Option<String>,
    /// Inheritance parents and partitioned table, in order.
    pub parents: Vec<Oid>,
    /// `pg_get_viewdef` of views and materialized views.
    pub view: Option<String>,
    /// Digest of the stored query of a view: unchanged by renames of what it reads.
    pub raw: String,
    /// Its row type.
    pub row_type: Oid,
    /// `ftoptions` of a foreign table, in order.
    pub foreign_options: Vec<String>,
}

/// What [`Column`] does not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColumnDetail {
    /// `atttypid`.
    pub type_oid: Oid,
    /// `atttypmod`.
    pub type_modifier: i32,
    /// Whether the type (or element type) is one of the server's own.
    pub builtin_type: bool,
    /// Explicit privileges, one `aclitem` each, sorted.
    pub acl: Vec<String>,
    /// `COMMENT ON`.
    pub comment: Option<String>,
    /// `attstattarget`, where set.
    pub statistics_target: Option<i32>,
    /// `attstorage`.
    pub storage: char,
    /// Whether `storage` is what the type comes with.
    pub default_storage: bool,
    /// `attcompression`, where set.
    pub compression: Option<char>,
    /// `attoptions`, in order.
    pub options: Vec<String>,
    /// `attislocal`.
    pub local: bool,
    /// `attinhcount > 0`.
    pub inherited: bool,
    /// Digest of the stored default: unchanged by renames.
    pub default_raw: String,
    /// `attfdwoptions` of a foreign table's column, in order.
    pub foreign_options: Vec<String>,
}

/// What [`Index`] does not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IndexDetail {
    /// The partitioned index it is attached to.
    pub parent: Option<Oid>,
    /// `indisreplident`.
    pub replica_identity: bool,
    /// `indisclustered`.
    pub clustered: bool,
    /// `indisready`.
    pub ready: bool,
    /// Whether a key is an expression.
    pub has_expressions: bool,
    /// Digest of the row of `pg_index`: unchanged by renames.
    pub raw: String,
    /// Attribute numbers of the key and included columns; 0 is an expression.
    pub attributes: Vec<i16>,
    /// Statistics targets that are set, by attribute number of the index.
    pub statistics_targets: Vec<(i16, i32)>,
}

/// What [`Constraint`] does not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConstraintDetail {
    /// Domain it is on; `None` for a table's.
    pub domain: Option<Oid>,
    /// `conindid`: the index it is enforced by, or the one a foreign key points to.
    pub index: Option<Oid>,
    /// `conparentid`: the partitioned table's constraint it was made from.
    pub parent: Option<Oid>,
    /// `COMMENT ON`.
    pub comment: Option<String>,
    /// Digest of the row of `pg_constraint`: unchanged by renames.
    pub raw: String,
    /// `condeferrable`.
    pub deferrable: bool,
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
    /// `server_version_num`.
    pub version: u32,
    /// By `pg_class.oid`, like `relations`.
    pub relation_details: BTreeMap<Oid, RelationDetail>,
    /// By table OID and attribute number, like `columns`.
    pub column_details: BTreeMap<(Oid, i16), ColumnDetail>,
    /// By index OID, like `indexes`.
    pub index_details: BTreeMap<Oid, IndexDetail>,
    /// By `pg_constraint.oid`, like `constraints`.
    pub constraint_details: BTreeMap<Oid, ConstraintDetail>,
    /// By `pg_class.oid`.
    pub sequences: BTreeMap<Oid, Sequence>,
    /// By `pg_namespace.oid`.
    pub schemas: BTreeMap<Oid, Schema>,
    /// By `pg_type.oid`: those made by `CREATE TYPE` and `CREATE DOMAIN`; row types and arrays left out.
    pub types: BTreeMap<Oid, Type>,
    /// By `pg_proc.oid`.
    pub functions: BTreeMap<Oid, Function>,
    /// By `pg_trigger.oid`: those people made; what enforces foreign keys stands in `enforcement`.
    pub triggers: BTreeMap<Oid, TableObject>,
    /// By `pg_rewrite.oid`: rules other than a view's own.
    pub rules: BTreeMap<Oid, TableObject>,
    /// By `pg_policy.oid`.
    pub policies: BTreeMap<Oid, TableObject>,
    /// Everything else, by its address.
    pub others: BTreeMap<Address, OtherObject>,
    /// `pg_default_acl`.
    pub default_privileges: Vec<DefaultPrivileges>,
    /// `pg_depend` between the objects above, in their terms: a view's rule is the view, a row type its table, an
    /// array its element type.
    pub dependencies: Vec<Dependency>,
    /// Foreign keys one of whose own triggers is not enabled as it was made, by `pg_constraint.oid`, with the states.
    pub enforcement: BTreeMap<Oid, String>,
    /// `castcontext` of every cast the server has, by source and target type: `e`, `a` or `i`.
    pub casts: BTreeMap<(Oid, Oid), char>,
    /// Roles, memberships, settings, the database itself.
    pub shared: Shared,
}

impl Catalog {
    /// Columns of one relation in order.
    pub fn columns_of(&self, table: Oid) -> impl Iterator<Item = &Column> {
        self.columns.range((table, i16::MIN)..=(table, i16::MAX)).map(|(_, column)| column)
    }

    /// Whether objects of extensions hide it from comparison.
    pub fn is_extension_member(&self, relation: Oid) -> bool {
        self.relations.get(&relation).is_some_and(|relation| relation.extension.is_some())
    }

    /// Whether a relation is one of these, or a partition of one, however deep: locks are grouped under the topmost
    /// parent.
    pub fn is_within(&self, oid: Oid, tops: &BTreeSet<Oid>) -> bool {
        let mut next = Some(oid);
        while let Some(relation) = next.and_then(|oid| self.relations.get(&oid)) {
            if tops.contains(&relation.oid) {
                return true;
            }
            next = relation.parent.filter(|_| relation.is_partition);
        }
        false
    }

    /// A relation's qualified name, or its OID where it is unknown.
    pub fn relation_name(&self, oid: Oid) -> String {
        self.relations.get(&oid).map_or_else(|| format!("relation {oid}"), |relation| relation.qualified.clone())
    }
}

/// Schema-qualified name, quoted only where SQL needs it.
pub fn qualify(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_identifier_if_needed(schema), quote_identifier_if_needed(name))
}

/// Whether a name as people write it means this table: with its schema, which may be left out for `public`.
pub fn names_table(name: &str, qualified: &str) -> bool {
    name == qualified || qualified.strip_prefix("public.") == Some(name)
}

/// A column's name for people: behind its table's, which is qualified already.
pub fn qualify_column(table: &str, column: &str) -> String {
    format!("{table}.{}", quote_identifier_if_needed(column))
}
