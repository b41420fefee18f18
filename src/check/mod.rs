//! Checks turn measurements into findings. One file per group of checks that reads the same measurement; each is one
//! line in [`CHECKS`]. A check sees a whole [`Rehearsal`] and nothing else, so it needs no database.

mod allow;
mod apply;
mod config;
mod data;
mod downs;
mod emptied;
mod identifier;
mod index;
mod key;
mod kind;
mod lock;
mod plan;
mod policy;
mod retry;
mod rollback;
mod schema;
mod sqlite;
mod stall;

pub(crate) use downs::told;
pub(crate) use index::DROPPED_IN_USE;
use kind::examples;
pub use kind::{Answer, IDS, KINDS, Kind, sections};
pub(crate) use plan::{PREDICTED, SLOWER_SAME_PLAN, TRANSIENT};
pub use policy::Policy;

use crate::config::Thresholds;
use crate::rehearsal::Rehearsal;
use crate::report::human::count;
use crate::report::v1::{Confidence, Severity};
use serde_json::Value;

/// Something found, with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What it is.
    pub kind: &'static Kind,
    /// That of its kind, unless the check knows better.
    pub severity: Severity,
    /// Measured or predicted.
    pub confidence: Confidence,
    /// What happened, in one or two sentences.
    pub message: String,
    /// What to do instead.
    pub advice: String,
    /// [`crate::migration::Statement::index`] of the statement that causes it.
    pub statement: Option<usize>,
    /// Where to look, where that is neither the statement nor the hot query: a file's name and a 1-based line.
    pub place: Option<(String, usize)>,
    /// Hot query concerned.
    pub query: Option<String>,
    /// Qualified names.
    pub objects: Vec<String>,
    /// Numbers behind the message.
    pub evidence: Value,
    /// Reason given beside the statement, if it is allowed there.
    pub suppressed_by: Option<String>,
}

impl Finding {
    /// A measured finding, at the severity of its kind.
    fn measured(
        kind: &'static Kind,
        statement: Option<usize>,
        objects: Vec<String>,
        message: String,
        advice: String,
    ) -> Self {
        Self {
            kind,
            severity: kind.severity,
            confidence: Confidence::Measured,
            message,
            advice,
            statement,
            place: None,
            query: None,
            objects,
            evidence: Value::Object(serde_json::Map::new()),
            suppressed_by: None,
        }
    }

    fn at(mut self, file: &str, line: usize) -> Self {
        self.place = Some((file.to_owned(), line));
        self
    }

    fn with(mut self, evidence: Value) -> Self {
        self.evidence = evidence;
        self
    }
}

/// A check: one file of this folder, and one line of [`CHECKS`].
#[derive(Debug)]
struct Check {
    /// What it finds.
    kinds: &'static [&'static Kind],
    /// Reads a rehearsal and says what it finds.
    find: fn(&Rehearsal, &Thresholds) -> Vec<Finding>,
}

/// Every check, in the order the four questions are asked.
#[rustfmt::skip]
const CHECKS: &[Check] = &[
    apply::CHECK,
    retry::CHECK,
    lock::CHECK,
    stall::CHECK,
    plan::CHECK,
    emptied::CHECK,
    index::CHECK,
    data::CHECK,
    schema::CHECK,
    identifier::CHECK,
    key::CHECK,
    sqlite::foreign_keys::CHECK,
    sqlite::rebuild::CHECK,
    sqlite::columns::CHECK,
    sqlite::rename::CHECK,
    sqlite::version::CHECK,
    sqlite::integrity::CHECK,
    rollback::CHECK,
    downs::CHECK,
    config::CHECK,
];

/// What keeps others waiting, and nothing else: all that an applied migration's observations say, without plans.
pub(crate) fn blocking(rehearsal: &Rehearsal, thresholds: &Thresholds) -> Vec<Finding> {
    (lock::CHECK.find)(rehearsal, thresholds)
}

/// Runs every check, then applies what migrations and project say of findings.
pub fn run(rehearsal: &Rehearsal, policy: &Policy<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        CHECKS.iter().flat_map(|check| (check.find)(rehearsal, policy.thresholds)).collect();
    policy.apply(rehearsal, &mut findings);
    findings
}
