//! What is tried only on request: the migration beside traffic, behind open transactions, and once more.

use super::{PassName, RetryEnd, StepTransaction, StoppedAt, nullable};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a hot query fared beside the migration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Felt {
    /// `traffic`, or `queue` where transactions were open on the migration's tables.
    pub pass: PassName,
    /// Its longest call is long in itself and for this query.
    pub stalled: bool,
    /// 99 of 100 calls before the migration took no longer, in milliseconds.
    pub usual_ms: f64,
    /// The relation whose lock its longest call waited for; null when it was none, or none was seen.
    #[serde(deserialize_with = "nullable")]
    pub relation: Option<String>,
    /// Calls from the migration's first statement on.
    pub calls: u64,
    /// Refused ones of these, by SQLSTATE, or by SQLite's own name of its result code.
    pub refused: BTreeMap<String, u64>,
    /// When the migration began, in milliseconds since the calls did.
    pub began_ms: f64,
    /// When it was over.
    pub ended_ms: f64,
    /// Length of a step of the timeline in milliseconds.
    pub step_ms: f64,
    /// The longest of the calls due in each step since the calls began, in milliseconds.
    pub timeline_ms: Vec<f64>,
}

/// A table with a transaction of somebody else's open on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Queued {
    /// The table.
    pub table: String,
    /// How long the migration waited behind that transaction, in milliseconds.
    pub waited_ms: f64,
}

/// What ended the migration in a pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BrokenOff {
    /// `traffic` or `queue`.
    pub pass: PassName,
    /// [`super::Statement::index`] of the statement that failed.
    pub statement: usize,
    /// The server's code; on SQLite that of the same trouble.
    pub sqlstate: String,
    /// SQLite's own name of its result code.
    #[serde(default)]
    pub code: Option<String>,
    /// Its words, without values of user data.
    pub error: String,
}

/// A second run after one that stopped half-way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Retry {
    /// Where the first one stopped: behind a statement, once it was committed, or at one that fails.
    pub stopped: StoppedAt,
    /// [`super::Statement::index`] of that statement.
    pub statement: usize,
    /// What it failed at, and what each further run failed at with the statements before in other words; empty when it
    /// came as far as a first one.
    pub met: Vec<Met>,
    /// What the last run came to.
    pub end: RetryEnd,
}

/// A statement that does not run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Met {
    /// [`super::Statement::index`].
    pub statement: usize,
    /// The server's code; on SQLite that of the same trouble.
    pub sqlstate: String,
    /// SQLite's own name of its result code.
    #[serde(default)]
    pub code: Option<String>,
    /// Its words, without values of user data.
    pub error: String,
    /// The statement in other words, with which the next run was tried; empty where none are known.
    pub sql: Vec<String>,
}

/// What to write in place of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suggestion {
    /// Short names of the forms it is made of.
    pub forms: Vec<String>,
    /// In the order they run. What stands behind the statement in its migration runs in a transaction of its own, unless
    /// all steps are `together`.
    pub steps: Vec<Step>,
}

/// One statement of a suggestion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Without a semicolon at its end.
    pub sql: String,
    /// Where it runs.
    pub transaction: StepTransaction,
    /// What it is for.
    pub why: String,
}
