//! What a [`super::Rehearsal`] is made of.

use crate::diff::index::IndexChange;
use crate::diff::plan::PlanDiff;
use crate::observation::embedded::Checks;
use crate::report::v1::{Fidelity, PassName, SourceKind};
use crate::snapshot::sqlite::Schema;
use crate::snapshot::sqlite::identity::Identities;
use std::collections::BTreeSet;

/// A pass and how it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    /// Which.
    pub name: PassName,
    /// It began and came to its end.
    pub ran: bool,
    /// Why it did not.
    pub reason: Option<String>,
    /// It began, and something other than the migration ended it.
    pub crashed: bool,
    /// A budget of time or disk ended it, or kept it from beginning.
    pub out_of_budget: bool,
    /// In milliseconds.
    pub duration_ms: f64,
}

/// What is known of data of which there is no base yet.
pub const BEFORE_ITS_BASE: &str = "the run ended before the source was restored";

/// Where the data came from, for the report.
#[derive(Debug, Clone)]
pub struct SourceFacts {
    /// The contract's word.
    pub kind: SourceKind,
    /// Name for people, without secrets.
    pub name: String,
    /// Rows in all tables, as the statistics count them.
    pub rows: Option<u64>,
    /// Size of the database.
    pub bytes: Option<u64>,
    /// When the dump was made, if it says so.
    pub taken_at: Option<String>,
    /// How near the copy is to the original.
    pub fidelity: Fidelity,
    /// What was lost.
    pub fidelity_notes: Vec<String>,
    /// What could not be restored.
    pub restore_warnings: Vec<String>,
}

impl SourceFacts {
    /// What is known before there is a base of it: a run that ends there still says what it was about.
    pub fn before_its_base(kind: SourceKind, name: String) -> Self {
        Self {
            kind,
            name,
            rows: None,
            bytes: None,
            taken_at: None,
            // No grade is better than what is known.
            fidelity: Fidelity::SchemaOnly,
            fidelity_notes: vec![BEFORE_ITS_BASE.to_owned()],
            restore_warnings: Vec::new(),
        }
    }
}

/// Statements and objects that made a plan change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause {
    /// Statement indexes, the one that matters most first.
    pub statements: Vec<usize>,
    /// Qualified names.
    pub objects: Vec<String>,
}

/// One query with one parameter set, before and after.
#[derive(Debug, Clone)]
pub struct PlanChange {
    /// What became of it.
    pub diff: PlanDiff,
    /// Why.
    pub cause: Cause,
}

/// One index, before and after, and the statement behind the change.
#[derive(Debug, Clone)]
pub struct IndexEntry {
    /// What became of it.
    pub change: IndexChange,
    /// Who did it.
    pub statement: Option<usize>,
}

/// Values that are gone once the migration ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destroyed {
    /// Qualified name of the table, or of the column.
    pub object: String,
    /// The table it is or was in.
    pub table: String,
    /// `column`, `table`, `deleted rows` or `truncated rows`.
    pub what: &'static str,
    /// Non-null values, or rows.
    pub rows: u64,
    /// The statement that did it.
    pub statement: Option<usize>,
}

/// What is known of a run on SQLite besides what every engine tells.
#[derive(Debug, Clone, Default)]
pub struct EmbeddedFacts {
    /// The schema before the run.
    pub before: Schema,
    /// The schema right after it.
    pub after: Schema,
    /// Numbers of everything before, as in the catalogs.
    pub numbers_before: Identities,
    /// The same after; what took the place of a table that is gone has its number.
    pub numbers_after: Identities,
    /// What the database's own checks said before.
    pub checks_before: Checks,
    /// What they say after; `None` where the run ended before that.
    pub checks_after: Option<Checks>,
    /// Rows of `sqlite_stat1` by table and index, in lower case; the index is empty for a table alone.
    pub statistics_before: BTreeSet<(String, String)>,
    /// The same right after.
    pub statistics_after: BTreeSet<(String, String)>,
    /// SQLite's own tables of statistics there were before, and those right after.
    pub statistics_tables: (Vec<String>, Vec<String>),
    /// After each statement that changed the schema: its index, the schema and the numbers.
    pub steps: Vec<(usize, Schema, Identities)>,
    /// `PRAGMA foreign_keys` as migrations ran with it.
    pub foreign_keys: bool,
    /// The oldest version of SQLite that runs the migrations, if anybody said so.
    pub oldest_version: Option<(u32, u32, u32)>,
}
