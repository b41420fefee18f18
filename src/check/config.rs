//! What was not measured, and why: `config/*`. Unknown never looks like no.

use super::{Answer, Check, Finding, Kind, Severity, examples};
use crate::config::Thresholds;
use crate::rehearsal::{Rehearsal, answers, foreign};
use crate::snapshot::plan::Captured;
use serde_json::json;
use std::collections::BTreeSet;

/// What this file finds.
pub(super) const CHECK: Check = Check {
    kinds: &[
        &NOT_MEASURED,
        &EDITED_APPLIED,
        &NO_HOT_QUERIES,
        &super::allow::UNUSED_ALLOW,
        &super::allow::UNKNOWN_ALLOW,
    ],
    find,
};

pub(super) const NOT_MEASURED: Kind = Kind::new(
    "config/not-measured",
    Severity::Warning,
    Answer::None,
    "
        One of the four answers is unknown, or a hot query failed before the migration already. An error instead of a warning
        when a pass broke, or when `--require` names the answer.

        Also for a statement or a hot query that touches a foreign table: no copy reaches another server or a file, so that it
        fails there whatever it would do in production. The finding names the table. Statements behind such a one did not run
        either.
    ",
)
.with(examples!("config/not-measured"));

const EDITED_APPLIED: Kind = Kind::new(
    "config/edited-applied",
    Severity::Warning,
    Answer::None,
    "
        A file was edited after it was applied: its checksum is not the one in the history table.
    ",
)
.with(examples!("config/edited-applied"));

const NO_HOT_QUERIES: Kind = Kind::new(
    "config/no-hot-queries",
    Severity::Warning,
    Answer::None,
    "
        No hot queries are registered, so what gets slower is unknown.
    ",
)
.with(examples!("config/no-hot-queries"));

fn find(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    // A run that broke off before it knew what is pending has passes that did not run; one with nothing to do has none.
    if rehearsal.migrations.is_empty() && rehearsal.passes.is_empty() {
        return edited(rehearsal);
    }
    let mut findings = edited(rehearsal);
    if rehearsal.queries.is_empty() {
        findings.push(Finding::measured(
            &NO_HOT_QUERIES,
            None,
            Vec::new(),
            "no hot queries are registered, so nobody knows what gets slower".to_owned(),
            "write them to a .sql file, each below a `-- name: x` line, and pass it with --queries".to_owned(),
        ));
    }
    for unknown in answers::unknown(rehearsal) {
        let mut finding = Finding::measured(
            &NOT_MEASURED,
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
                &NOT_MEASURED,
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
    let mut failed: Vec<Finding> = Vec::new();
    for query in rehearsal.queries.iter().filter(|query| !out_of_reach(&query.name)) {
        let captures = rehearsal.before.iter().flat_map(|before| &before.plans);
        let failures: Vec<_> = captures
            .filter(|capture| capture.key.query == query.name)
            .filter_map(|capture| match &capture.captured {
                Captured::Failed { sqlstate, message } => Some((sqlstate, message, &capture.key.parameter_set)),
                _ => None,
            })
            .collect();
        let Some((sqlstate, message, _)) = failures.first() else { continue };
        let sets: BTreeSet<&String> = failures.iter().map(|(.., set)| *set).filter(|set| !set.is_empty()).collect();
        let mut finding = Finding::measured(
            &NOT_MEASURED,
            None,
            Vec::new(),
            format!("hot query {} fails before the migration already: {message}", query.name),
            "mend the query or its parameter sets; until then nothing is known about it".to_owned(),
        )
        .with(json!({ "answer": "slower", "sqlstate": sqlstate, "parameter_sets": sets }));
        finding.query = Some(query.name.clone());
        failed.push(finding);
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
                &EDITED_APPLIED,
                None,
                vec![file.clone()],
                format!("{file} was edited after version {version} was applied: its checksum is not the history's"),
                "what was added never runs, and most runners refuse to go on: restore the file and put the change into a new migration".to_owned(),
            )
            .with(json!({ "version": version }))
        })
        .collect()
}
