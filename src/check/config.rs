//! What was not measured, and why: `config/*`. Unknown never looks like no.

use super::{Finding, Severity};
use crate::config::Thresholds;
use crate::rehearsal::{Rehearsal, answers, foreign};
use serde_json::json;

pub(super) fn check(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    // A run that broke off before it knew what is pending has passes that did not run; one with nothing to do has none.
    if rehearsal.migrations.is_empty() && rehearsal.passes.is_empty() {
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
            unknown.objects,
            format!("`{}` is unknown: {}", unknown.answer, unknown.reason),
            unknown.advice.to_owned(),
        )
        .with(json!({ "answer": unknown.answer }));
        if unknown.crashed {
            finding.severity = Severity::Error;
        }
        findings.push(finding);
    }
    for query in &rehearsal.queries {
        if let Some(reached) = foreign::query(rehearsal, query) {
            let mut finding = Finding::measured(
                "config/not-measured",
                None,
                reached.tables.clone(),
                format!(
                    "nothing is known about hot query {}: it reads {}, which no copy can reach",
                    query.name,
                    reached.what()
                ),
                "a copy reaches no other server and no file: look at this query where its foreign table can be reached"
                    .to_owned(),
            )
            .with(json!({ "answer": "slower" }));
            finding.query = Some(query.name.clone());
            findings.push(finding);
        }
    }
    let out_of_reach = |name: &str| findings.iter().any(|finding| finding.query.as_deref() == Some(name));
    let mut failed = Vec::new();
    for capture in rehearsal.before.iter().flat_map(|before| &before.plans) {
        if let crate::snapshot::plan::Captured::Failed { sqlstate, message } = &capture.captured
            && !out_of_reach(&capture.key.query)
        {
            let mut finding = Finding::measured(
                "config/not-measured",
                None,
                Vec::new(),
                format!("hot query {} fails before the migration already: {}", capture.key.query, message),
                "mend the query or its parameter sets; until then nothing is known about it".to_owned(),
            )
            .with(json!({ "answer": "slower", "sqlstate": sqlstate, "parameter_set": capture.key.parameter_set }));
            finding.query = Some(capture.key.query.clone());
            failed.push(finding);
        }
    }
    findings.extend(failed);
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
