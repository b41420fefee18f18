//! What a project and its migrations say of findings: the one place where they are suppressed, or count as something
//! else than their check says.

use super::config::NOT_MEASURED;
use super::{Finding, allow};
use crate::config::{Settings, Thresholds};
use crate::rehearsal::Rehearsal;
use crate::report::v1::Severity;
use serde_json::Value;
use std::collections::BTreeMap;

/// What stands in `suppressed_by` where the configuration switches a finding off.
const SWITCHED_OFF: &str = "switched off in the configuration";

/// What a project says of findings.
#[derive(Debug)]
pub struct Policy<'a> {
    /// From which size on something is worth one.
    pub thresholds: &'a Thresholds,
    /// What findings count as, by their ids; nothing for those switched off.
    pub severity: &'a BTreeMap<&'static str, Option<Severity>>,
    /// Answers that may not stay unknown.
    pub require: &'a [String],
}

impl<'a> From<&'a Settings> for Policy<'a> {
    fn from(settings: &'a Settings) -> Self {
        Self { thresholds: &settings.thresholds, severity: &settings.severity, require: &settings.require }
    }
}

impl Policy<'_> {
    /// Marks what is allowed beside its statement or switched off, then sets what the rest counts as. An answer that may
    /// not stay unknown and does is an error whatever else is said.
    pub(super) fn apply(&self, rehearsal: &Rehearsal, findings: &mut Vec<Finding>) {
        allow::apply(rehearsal, findings);
        for finding in findings {
            match self.severity.get(finding.kind.id) {
                Some(Some(severity)) => finding.severity = *severity,
                Some(None) if finding.suppressed_by.is_none() => finding.suppressed_by = Some(SWITCHED_OFF.to_owned()),
                _ => {}
            }
            if *finding.kind == NOT_MEASURED && self.requires(finding) {
                finding.severity = Severity::Error;
                finding.suppressed_by = None;
            }
        }
    }

    /// Whether a finding says that a required answer is unknown; of a single hot query it does not.
    fn requires(&self, finding: &Finding) -> bool {
        let answer = finding.evidence.get("answer").and_then(Value::as_str).unwrap_or_default();
        finding.query.is_none() && self.require.iter().any(|required| required == answer)
    }
}
