//! `-- seatrial: allow(id) reason` beside a statement: the one place where findings are suppressed.

use super::{Answer, Finding, IDS, Kind, Severity, examples};
use crate::migration::Statement;
use crate::rehearsal::Rehearsal;
use serde_json::json;

pub(super) const UNUSED_ALLOW: Kind = Kind::new(
    "config/unused-allow",
    Severity::Warning,
    Answer::None,
    "
        `-- seatrial: allow(…)` stands beside a statement that ran, and nothing of the kind was found there.
    ",
)
.with(examples!("config/unused-allow"));

pub(super) const UNKNOWN_ALLOW: Kind = Kind::new(
    "config/unknown-allow",
    Severity::Warning,
    Answer::None,
    "
        `-- seatrial: allow(…)` names no finding that exists, or gives no reason. It allows nothing.
    ",
)
.with(examples!("config/unknown-allow"));

/// One allowance as written.
struct Allowance<'a> {
    statement: usize,
    id: &'a str,
    reason: &'a str,
    used: bool,
}

/// Marks findings that are allowed beside their statement; an allowance of an unknown id, without a reason, or that
/// nothing needed is a finding itself.
pub(super) fn apply(rehearsal: &Rehearsal, findings: &mut Vec<Finding>) {
    let mut allowances = Vec::new();
    let mut extra = Vec::new();
    let mut previous: Option<&Statement> = None;
    for statement in rehearsal.migrations.iter().flat_map(|migration| &migration.statements) {
        let text = &statement.file.text;
        // From the end of the statement before to the end of this statement's last line.
        let start = previous
            .filter(|previous| std::sync::Arc::ptr_eq(&previous.file, &statement.file))
            .map_or(0, |previous| line_end(text, previous.span.end));
        let end = line_end(text, statement.span.end);
        previous = Some(statement);
        for (id, reason) in text[start.min(end)..end].lines().filter_map(allowance) {
            if !IDS.contains(&id) || reason.is_empty() {
                let message = if reason.is_empty() {
                    format!("allow({id}) gives no reason, so it allows nothing")
                } else {
                    format!("allow({id}) names no finding that exists, so it allows nothing")
                };
                let advice = "write `-- seatrial: allow(id) reason` with an id of the list and a reason".to_owned();
                extra.push(
                    Finding::measured(&UNKNOWN_ALLOW, Some(statement.index), Vec::new(), message, advice)
                        .with(json!({ "allow": id })),
                );
            } else {
                allowances.push(Allowance { statement: statement.index, id, reason, used: false });
            }
        }
    }
    for finding in findings.iter_mut() {
        // What is no one statement's doing is allowed beside any of them.
        let beside = |statement: usize| finding.statement.is_none_or(|own| own == statement);
        let allowed = allowances.iter_mut().find(|allow| beside(allow.statement) && allow.id == finding.kind.id);
        if let Some(allowed) = allowed {
            allowed.used = true;
            finding.suppressed_by = Some(allowed.reason.to_owned());
        }
    }
    // What did not run had no chance to need its allowance.
    for unused in allowances.iter().filter(|allow| !allow.used && rehearsal.observation(allow.statement).is_some()) {
        extra.push(
            Finding::measured(
                &UNUSED_ALLOW,
                Some(unused.statement),
                Vec::new(),
                format!("allow({}) is not needed: nothing of the kind was found here", unused.id),
                "take the comment out".to_owned(),
            )
            .with(json!({ "allow": unused.id })),
        );
    }
    findings.append(&mut extra);
}

fn line_end(text: &str, offset: usize) -> usize {
    text[offset..].find('\n').map_or(text.len(), |newline| offset + newline + 1)
}

fn allowance(line: &str) -> Option<(&str, &str)> {
    let (_, comment) = line.split_once("--")?;
    let rest = comment.trim_start().strip_prefix("seatrial:")?.trim_start().strip_prefix("allow(")?;
    let (id, reason) = rest.split_once(')')?;
    Some((id.trim(), reason.trim()))
}

#[cfg(test)]
mod tests {
    use super::allowance;

    #[test]
    fn an_allowance_is_an_id_and_a_reason_in_a_comment() {
        assert_eq!(
            allowance("DROP TABLE x; -- seatrial: allow(data/destroyed) emptied last week"),
            Some(("data/destroyed", "emptied last week"))
        );
        assert_eq!(allowance("-- seatrial: allow(lock/full-scan)"), Some(("lock/full-scan", "")));
        assert_eq!(allowance("-- nothing to see"), None);
    }
}
