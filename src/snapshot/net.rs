//! Every row of every system catalog at one moment, as far as it means anything: what a model of the schema is checked
//! against, so that nothing is missed that the model does not know.

use super::Oid;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The first OID a server gives to objects made after `initdb`.
pub const FIRST_NORMAL_OID: Oid = 16_384;

/// Separates the values of a row.
pub const FIELD: char = '\u{1f}';
/// Stands for null.
pub const NULL: &str = "\u{1e}";
/// Separates rows.
pub const ROW: char = '\u{1d}';

/// The system catalogs of one database and the shared ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Net {
    /// By name, such as `pg_class`.
    pub catalogs: BTreeMap<String, CatalogRows>,
    /// Names of the catalogs by their OIDs: what `classid` columns hold.
    pub classes: BTreeMap<Oid, String>,
}

/// The rows of one catalog.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogRows {
    /// Of `rows`, in order; `oid` first where there is one.
    pub columns: Vec<NetColumn>,
    /// Rows of objects made after `initdb`, or of all where there are few: values joined with [`FIELD`], rows with
    /// [`ROW`]. Expressions are deparsed, privileges sorted, OIDs still numbers. Moments at which they are the same share them.
    pub rows: Arc<str>,
    /// Rows of the server's own objects: OID, name and a hash of what means anything, joined likewise.
    pub system: Arc<str>,
}

/// A column of a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetColumn {
    /// `attname`.
    pub name: String,
    /// What its numbers stand for.
    pub refers: Refers,
}

/// What the numbers in a catalog's column stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refers {
    /// Nothing: they are values.
    Nothing,
    /// An object of this catalog; 0 for none.
    Object(String),
    /// Several objects of this catalog.
    Objects(String),
    /// Columns, by attribute number, of the relation another column of the row names; 0 for an expression.
    Columns(String),
    /// An object of the catalog whose OID stands in another column of the row.
    ByClass(String),
    /// A column of a relation, where these columns of the row name one: its catalog and its OID.
    SubColumn(String, String),
}

impl CatalogRows {
    /// Position of a column.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The rows, one text each.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.rows.split(ROW).filter(|line| !line.is_empty())
    }

    /// The server's own rows, one text each.
    pub fn system_lines(&self) -> impl Iterator<Item = &str> {
        self.system.split(ROW).filter(|line| !line.is_empty())
    }
}
