//! Does it run to the end: `apply/*`.

use super::{Finding, count};
use crate::config::Thresholds;
use crate::diff::index::IndexChangeKind;
use crate::migration::script::kind;
use crate::rehearsal::{Rehearsal, foreign};
use serde_json::json;

pub(super) fn check(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    let Some(failure) = &rehearsal.failure else { return Vec::new() };
    // No copy can tell whether it applies: `config/not-measured` says so.
    if foreign::failure(rehearsal).is_some() {
        return Vec::new();
    }
    let error = &failure.error;
    let statement = Some(failure.statement);
    let object = match (&error.schema, &error.table) {
        (Some(schema), Some(table)) => vec![crate::snapshot::catalog::qualify(schema, table)],
        _ => Vec::new(),
    };
    // What a script raises itself holds whatever its author put in.
    let hint = error.hint.clone().filter(|_| !error.sqlstate.starts_with("P0"));
    let evidence = json!({
        "sqlstate": error.sqlstate,
        "detail": rehearsal.redactor.error_detail(error),
        "hint": hint,
    });
    let sql = rehearsal.sql(failure.statement).unwrap_or_default();
    let message = rehearsal.redactor.error_message(error, sql);
    if error.sqlstate == "42501" {
        let role = &rehearsal.role;
        return vec![
            Finding::measured(
                "apply/needs-privilege",
                statement,
                object,
                format!("the role `{role}` may not do this: {message}"),
                format!(
                    "whether production's role may is unknown here; if it may, run with `--role` naming a role that \
                     holds the right, or grant it to `{role}` in the source"
                ),
            )
            .with(evidence),
        ];
    }
    let mut findings = vec![
        Finding::measured(
            "apply/failed",
            statement,
            object.clone(),
            match (error.sqlstate.get(..2), needed_by(rehearsal)) {
                // Of values, and of rows against constraints.
                (Some("22" | "23"), _) => format!("fails on this data: {message}"),
                (_, Some(objects)) => format!("fails: {message} ({objects})"),
                _ => format!("fails: {message}"),
            },
            hint.clone().unwrap_or_else(|| "mend the statement or the data it meets, then rehearse again".into()),
        )
        .with(evidence),
    ];
    if let Some(violators) = &rehearsal.violators {
        findings.push(
            Finding::measured(
                "apply/violating-rows",
                statement,
                vec![violators.relation.clone()],
                format!("{} {} in {} stand in its way", count(violators.rows), violators.what, violators.relation),
                "find them with the query in the evidence and mend them in a migration that runs before this one"
                    .into(),
            )
            .with(json!({ "rows": violators.rows, "what": violators.what, "query": violators.query })),
        );
    }
    let failing = rehearsal
        .migrations
        .iter()
        .find(|migration| migration.statements.iter().any(|candidate| candidate.index == failure.statement));
    let kept: Vec<usize> = failing
        .map(|migration| {
            let lasting = migration.statements.iter().filter(|each| !kind(each.sql()).leaves_nothing_behind());
            lasting.map(|statement| statement.index).filter(|index| rehearsal.committed.contains(index)).collect()
        })
        .unwrap_or_default();
    let invalid = rehearsal.indexes.iter().filter(|index| index.change.kind == IndexChangeKind::Invalid);
    let invalid: Vec<String> = invalid.map(|index| index.change.name.clone()).collect();
    if kept.is_empty() && !invalid.is_empty() {
        findings.push(
            Finding::measured(
                "apply/not-retryable",
                statement,
                invalid.clone(),
                format!("the failed build leaves {} behind, and a second run finds the name taken", invalid.join(", ")),
                "drop the invalid index before the next try".into(),
            )
            .with(json!({ "invalid_indexes": invalid })),
        );
    }
    if !kept.is_empty() {
        findings.push(
            Finding::measured(
                "apply/not-retryable",
                statement,
                Vec::new(),
                match kept.len() {
                    1 => "fails half-way: an earlier statement of this migration stays committed".to_owned(),
                    several => format!("fails half-way: {several} earlier statements of this migration stay committed"),
                },
                "a second run starts from its first statement and meets what is already there: undo the committed part \
                 with rollback.sql first, or make each statement safe to run again"
                    .into(),
            )
            .with(json!({ "committed_statements": kept })),
        );
    }
    findings
}

/// The objects that stand in the way, as the server names them: in its `DETAIL`, a line each.
fn needed_by(rehearsal: &Rehearsal) -> Option<String> {
    let error = &rehearsal.failure.as_ref()?.error;
    if !matches!(error.sqlstate.as_str(), "2BP01" | "0A000") {
        return None;
    }
    let detail = rehearsal.redactor.error_detail(error)?;
    Some(detail.lines().collect::<Vec<_>>().join("; "))
}
