//! What was not measured, and why: `config/*`. Unknown never looks like no.

use super::{Finding, Severity};
use crate::config::Thresholds;
use crate::rehearsal::{Rehearsal, answers};
use serde_json::json;

pub(super) fn check(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    if rehearsal.migrations.is_empty() {
        return edited(rehearsal);
    }
    let mut findings = edited(rehearsal);
    if rehearsal.queries.is_empty() {
        findings.push(Finding::measured(
            "config/no-hot-queries",
            None,
            Vec::new(),
            "no hot queries are registered, so nobody knows what gets slower".to_owned(),
            "write them to a .sql file, each below a `-- name: x` line, and pass it with --queries".to_owned(),
        ));
    }
    for unknown in answers::unknown(rehearsal) {
        let mut finding = Finding::measured(
            "config/not-measured",
            unknown.statement,
            Vec::new(),
            format!("`{}` is unknown: {}", unknown.answer, unknown.reason),
            unknown.advice.to_owned(),
        )
        .with(json!({ "answer": unknown.answer }));
        if unknown.crashed {
            finding.severity = Severity::Error;
        }
        findings.push(finding);
    }
    for capture in rehearsal.before.iter().flat_map(|before| &before.plans) {
        if let crate::snapshot::plan::Captured::Failed { sqlstate, message } = &capture.captured {
            let mut finding = Finding::measured(
                "config/not-measured",
                None,
                Vec::new(),
                format!("hot query {} fails before the migration already: {}", capture.key.query, message),
                "mend the query or its parameter sets; until then nothing is known about it".to_owned(),
            )
            .with(json!({ "answer": "slower", "sqlstate": sqlstate, "parameter_set": capture.key.parameter_set }));
            finding.query = Some(capture.key.query.clone());
            findings.push(finding);
        }
    }
    findings
}

fn edited(rehearsal: &Rehearsal) -> Vec<Finding> {
    rehearsal
        .edited
        .iter()
        .map(|(version, file)| {
            Finding::measured(
                "config/edited-applied",
                None,
                vec![file.clone()],
                format!("{file} was edited after version {version} was applied: its checksum is not the history's"),
                "what was added never runs, and most runners refuse to go on: restore the file and put the change into a new migration".to_owned(),
            )
            .with(json!({ "version": version }))
        })
        .collect()
}
