//! What is measured about a statement on SQLite besides what every engine tells.

use crate::snapshot::Oid;
use serde::{Deserialize, Serialize};

/// About one statement.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Embedded {
    /// It ran inside a transaction that was open before it.
    pub in_transaction: bool,
    /// `PRAGMA foreign_keys` as it was in effect.
    pub foreign_keys: bool,
    /// `PRAGMA legacy_alter_table` as it was in effect.
    pub legacy_alter_table: bool,
    /// Instructions of SQLite's virtual machine; those of statements that renames and the like run within not counted.
    pub vm_steps: u64,
    /// Pages written when the transaction that ended with this statement was committed; 0 for all others.
    pub pages_written: u64,
    /// Tables, views, indexes and triggers that went with it, by their number.
    pub gone: Vec<Oid>,
    /// The same that came with it.
    pub made: Vec<Oid>,
    /// Those whose text in the schema is another one now: the statement's own object, and what a rename rewrote.
    pub rewritten_text: Vec<Oid>,
    /// `PRAGMA name` and, where one was given, the value.
    pub pragma: Option<(String, Option<String>)>,
}

/// What the database's own checks say, before and after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checks {
    /// `PRAGMA integrity_check`: what is wrong; empty where it says `ok`.
    pub integrity: Vec<String>,
    /// `PRAGMA foreign_key_check`: rows by table and the table they refer to in vain.
    pub foreign_keys: Vec<Orphans>,
}

/// Rows of one table that refer to rows another one does not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Orphans {
    /// Qualified name of the table.
    pub table: String,
    /// Qualified name of the table it refers to; there need be none of this name.
    pub references: String,
    /// How many.
    pub rows: u64,
}
