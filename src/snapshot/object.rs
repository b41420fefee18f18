//! Objects of a catalog that are neither tables nor what tables are made of, and how objects hang together.

use super::Oid;

/// The system catalog an object stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// `pg_namespace`
    Schema,
    /// `pg_type`
    Type,
    /// `pg_proc`
    Function,
    /// `pg_class`
    Relation,
    /// `pg_attrdef`, addressed by table and column
    Default,
    /// `pg_constraint`
    Constraint,
    /// `pg_rewrite`
    Rule,
    /// `pg_trigger`
    Trigger,
    /// `pg_policy`
    Policy,
    /// Any other, by the OID of the catalog itself, which is the same on every server
    Other(Oid),
}

/// Where an object stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The catalog.
    pub class: Class,
    /// The object's OID in it.
    pub oid: Oid,
    /// Attribute number for a column or a default; 0 for the object itself.
    pub column: i16,
}

impl Address {
    /// A whole object.
    pub fn new(class: Class, oid: Oid) -> Self {
        Self { class, oid, column: 0 }
    }

    /// A relation.
    pub fn relation(oid: Oid) -> Self {
        Self::new(Class::Relation, oid)
    }

    /// A column of a relation.
    pub fn column(table: Oid, column: i16) -> Self {
        Self { class: Class::Relation, oid: table, column }
    }

    /// A column's default.
    pub fn default_of(table: Oid, column: i16) -> Self {
        Self { class: Class::Default, oid: table, column }
    }

    /// The object itself, for a column its table.
    pub fn whole(self) -> Self {
        Self { column: 0, ..self }
    }
}

/// A row of `pg_depend`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    /// What depends.
    pub dependent: Address,
    /// On what.
    pub referenced: Address,
    /// `deptype`.
    pub kind: char,
}

/// A row of `pg_namespace`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schema {
    /// Name, unquoted.
    pub name: String,
    /// Owner's name.
    pub owner: String,
    /// Effective privileges, sorted.
    pub acl: Vec<String>,
    /// `COMMENT ON`.
    pub comment: Option<String>,
    /// The extension it belongs to, if any.
    pub extension: Option<String>,
}

/// A row of `pg_sequence`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sequence {
    /// Type of its values.
    pub type_name: String,
    /// `START WITH`.
    pub start: i64,
    /// `INCREMENT BY`.
    pub increment: i64,
    /// `MINVALUE`.
    pub minimum: i64,
    /// `MAXVALUE`.
    pub maximum: i64,
    /// `CACHE`.
    pub cache: i64,
    /// `CYCLE`.
    pub cycle: bool,
    /// Column it belongs to.
    pub owned_by: Option<(Oid, i16)>,
    /// Whether it is an identity column's own.
    pub identity: bool,
    /// `last_value`.
    pub last_value: i64,
    /// `is_called`.
    pub is_called: bool,
}

impl Sequence {
    /// Everything but its position and owner.
    pub fn parameters(&self) -> (&str, i64, i64, i64, i64, i64, bool) {
        (&self.type_name, self.start, self.increment, self.minimum, self.maximum, self.cache, self.cycle)
    }
}

/// What `CREATE TYPE` or `CREATE DOMAIN` made.
#[derive(Debug, Clone, PartialEq)]
pub enum TypeKind {
    /// `AS ENUM`: OID and label of each value, in sort order.
    Enum(Vec<(Oid, String)>),
    /// A domain.
    Domain {
        /// Base type with its modifier.
        base: String,
        /// Default expression.
        default: Option<String>,
        /// `NOT NULL`.
        not_null: bool,
    },
    /// `AS (…)`: OID of the relation that holds its attributes.
    Composite(Oid),
    /// `AS RANGE`.
    Range,
    /// A base type.
    Base,
}

/// A row of `pg_type`.
#[derive(Debug, Clone, PartialEq)]
pub struct Type {
    /// Schema name, unquoted.
    pub schema: String,
    /// Name, unquoted.
    pub name: String,
    /// Schema-qualified, quoted only where SQL needs it.
    pub qualified: String,
    /// What it is.
    pub kind: TypeKind,
    /// Owner's name.
    pub owner: String,
    /// Effective privileges, sorted.
    pub acl: Vec<String>,
    /// `COMMENT ON`.
    pub comment: Option<String>,
    /// Digest of what a change in place would touch: unchanged by renames.
    pub raw: String,
}

/// A row of `pg_proc`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Function {
    /// Schema name, unquoted.
    pub schema: String,
    /// Name, unquoted.
    pub name: String,
    /// Qualified name with its input types: what `DROP` takes.
    pub identity: String,
    /// Input types alone, as in a dump's headers.
    pub arguments: String,
    /// `prokind`: `f`, `p`, `a` or `w`.
    pub kind: char,
    /// `pg_get_functiondef`; none for an aggregate.
    pub definition: Option<String>,
    /// Owner's name.
    pub owner: String,
    /// Effective privileges, sorted.
    pub acl: Vec<String>,
    /// `COMMENT ON`.
    pub comment: Option<String>,
    /// Digest of the row of `pg_proc`: unchanged by renames.
    pub raw: String,
    /// What `CREATE OR REPLACE` may not take back: result type, argument names, number of defaults.
    pub signature: (String, String, i32),
    /// `BEGIN ATOMIC` or `RETURN`: its body is stored parsed and depends on what it reads.
    pub parsed_body: bool,
}

/// A trigger, rule or policy.
#[derive(Debug, Clone, PartialEq)]
pub struct TableObject {
    /// The table or view it is on.
    pub table: Oid,
    /// Name, unquoted.
    pub name: String,
    /// As the server deparses it.
    pub definition: String,
    /// Digest of its row: unchanged by renames.
    pub raw: String,
    /// `tgenabled` or `ev_enabled`; `O` for a policy.
    pub enabled: char,
    /// `COMMENT ON`.
    pub comment: Option<String>,
    /// The partitioned table's trigger it was made from.
    pub parent: Option<Oid>,
}

/// Any other object: casts, operators, extensions, publications, extended statistics, ….
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OtherObject {
    /// `pg_identify_object`'s type, such as `extension`.
    pub type_name: String,
    /// Schema name, unquoted, where it has one; for an extension the one its objects are in.
    pub schema: Option<String>,
    /// Name, unquoted, where that alone tells it from others of its type.
    pub name: Option<String>,
    /// `pg_identify_object`'s identity.
    pub identity: String,
    /// Deparsed where the server can; an extension's version; options of a text search dictionary, dictionaries of a
    /// text search configuration by type of token.
    pub definition: Option<String>,
    /// `COMMENT ON`.
    pub comment: Option<String>,
    /// Digest of its row, and of what belongs to an operator family: unchanged by what can be altered in place.
    pub raw: String,
    /// Owner's name, where it has one.
    pub owner: Option<String>,
    /// Effective privileges of a language, foreign-data wrapper or server, sorted.
    pub acl: Vec<String>,
}

/// A row of `pg_default_acl`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DefaultPrivileges {
    /// Role whose new objects it is about.
    pub role: String,
    /// Schema, or none for all.
    pub schema: Option<String>,
    /// `defaclobjtype`: `r`, `S`, `f`, `T` or `n`.
    pub object_type: char,
    /// Privileges, sorted.
    pub acl: Vec<String>,
}
