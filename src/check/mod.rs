//! Checks turn measurements into findings. One file per group of checks that reads the same measurement; each is one
//! line in [`CHECKS`]. A check sees a whole [`Rehearsal`] and nothing else, so it needs no database.

mod allow;
mod apply;
mod config;
mod data;
mod downs;
mod identifier;
mod index;
mod key;
mod lock;
mod plan;
mod policy;
mod rollback;
mod schema;

pub(crate) use downs::told;
pub use policy::Policy;

use crate::config::Thresholds;
use crate::rehearsal::Rehearsal;
use crate::report::human::count;
use crate::report::v1::{Confidence, Severity};
use serde_json::Value;

/// The question a finding bears on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Does it run to the end on this data?
    Applies,
    /// Whom does it block?
    Blocks,
    /// What gets slower?
    Slower,
    /// Can it be undone?
    Undoable,
    /// None of the four.
    None,
}

/// Something found, with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// One of [`IDS`].
    pub id: &'static str,
    /// Default severity of the id, unless the check knows better.
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
    /// A measured finding of a known id, at its default severity.
    fn measured(
        id: &'static str,
        statement: Option<usize>,
        objects: Vec<String>,
        message: String,
        advice: String,
    ) -> Self {
        Self {
            id,
            severity: default_severity(id),
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

/// Every finding id of the contract: default severity, and the answer it bears on.
pub const IDS: &[(&str, Severity, Answer)] = &[
    ("apply/failed", Severity::Error, Answer::Applies),
    ("apply/violating-rows", Severity::Error, Answer::Applies),
    ("apply/needs-privilege", Severity::Warning, Answer::Applies),
    ("apply/not-retryable", Severity::Warning, Answer::Applies),
    ("lock/table-rewrite", Severity::Error, Answer::Blocks),
    ("lock/full-scan", Severity::Error, Answer::Blocks),
    ("lock/index-build", Severity::Error, Answer::Blocks),
    ("lock/held-long", Severity::Error, Answer::Blocks),
    ("lock/stall", Severity::Error, Answer::Blocks),
    ("lock/queue-behind", Severity::Error, Answer::Blocks),
    ("lock/many-tables", Severity::Warning, Answer::Blocks),
    ("lock/no-timeout", Severity::Warning, Answer::Blocks),
    ("lock/large-update", Severity::Warning, Answer::Blocks),
    ("plan/regressed", Severity::Error, Answer::Slower),
    ("plan/query-broken", Severity::Error, Answer::Slower),
    ("plan/over-budget", Severity::Error, Answer::Slower),
    ("plan/did-not-finish", Severity::Error, Answer::Slower),
    ("plan/slower-same-plan", Severity::Warning, Answer::Slower),
    ("plan/transient", Severity::Warning, Answer::Slower),
    ("plan/unstable", Severity::Warning, Answer::Slower),
    ("plan/predicted", Severity::Warning, Answer::Slower),
    ("index/dropped-in-use", Severity::Error, Answer::Slower),
    ("index/invalid", Severity::Error, Answer::Slower),
    ("index/duplicate", Severity::Warning, Answer::Slower),
    ("index/fk-unindexed", Severity::Warning, Answer::Slower),
    ("index/unused", Severity::Info, Answer::Slower),
    ("data/destroyed", Severity::Warning, Answer::Undoable),
    ("data/narrowed", Severity::Warning, Answer::Undoable),
    ("schema/client-breaking", Severity::Warning, Answer::Applies),
    ("schema/replica-identity", Severity::Warning, Answer::Applies),
    ("schema/privileges", Severity::Warning, Answer::Applies),
    ("schema/protection-off", Severity::Warning, Answer::Applies),
    ("schema/identifier-truncated", Severity::Warning, Answer::Applies),
    ("schema/key-near-limit", Severity::Warning, Answer::Applies),
    ("rollback/irreversible", Severity::Warning, Answer::Undoable),
    ("rollback/rows-lost", Severity::Warning, Answer::Undoable),
    ("rollback/unmodelled", Severity::Warning, Answer::Undoable),
    ("rollback/down-differs", Severity::Warning, Answer::Undoable),
    ("config/not-measured", Severity::Warning, Answer::None),
    ("config/unused-allow", Severity::Warning, Answer::None),
    ("config/unknown-allow", Severity::Warning, Answer::None),
    ("config/edited-applied", Severity::Warning, Answer::None),
    ("config/no-hot-queries", Severity::Warning, Answer::None),
];

/// The ids alone.
pub const fn ids() -> &'static [&'static str] {
    const ALL: [&str; IDS.len()] = {
        let mut all = [""; IDS.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = IDS[at].0;
            at += 1;
        }
        all
    };
    &ALL
}

fn default_severity(id: &str) -> Severity {
    IDS.iter().find(|(known, ..)| *known == id).map_or(Severity::Error, |(_, severity, _)| *severity)
}

/// A check reads a rehearsal and says what it finds.
type Check = fn(&Rehearsal, &Thresholds) -> Vec<Finding>;

/// Every check, in the order the four questions are asked.
#[rustfmt::skip]
const CHECKS: &[Check] = &[
    apply::check,
    lock::check,
    plan::check,
    index::check,
    data::check,
    schema::check,
    identifier::check,
    key::check,
    rollback::check,
    downs::check,
    config::check,
];

/// Runs every check, then applies what migrations and project say of findings.
pub fn run(rehearsal: &Rehearsal, policy: &Policy<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = CHECKS.iter().flat_map(|check| check(rehearsal, policy.thresholds)).collect();
    policy.apply(rehearsal, &mut findings);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique() {
        let mut ids: Vec<_> = IDS.iter().map(|(id, ..)| id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), IDS.len());
    }
}
