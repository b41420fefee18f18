//! Can it be run again where it stopped half-way: `apply/not-retryable`.

use super::{Answer, Check, Finding, Kind, Severity, examples};
use crate::config::Thresholds;
use crate::diff::index::IndexChangeKind;
use crate::engine::postgres::apply::Failure;
use crate::migration::Statement;
use crate::migration::script::kind;
use crate::rehearsal::retry::{End, Met, Retry, Stopped};
use crate::rehearsal::{Rehearsal, foreign};
use crate::report::human;
use crate::report::v1::PassName;
use serde_json::json;
use std::collections::BTreeMap;

/// What this file finds.
pub(super) const CHECK: Check = Check { kinds: &[&NOT_RETRYABLE], find };

const NOT_RETRYABLE: Kind = Kind::new(
    "apply/not-retryable",
    Severity::Warning,
    Answer::Applies,
    "
        A migration failed half-way and some of its statements are committed already, or an invalid index is left. A second run
        begins with the first statement again and meets what is there. With `--passes retry` that second run is made, behind
        each commit at which a first one could be stopped as well, and what it meets is told with the words that were seen to
        be safe to run again, where there are any.
    ",
)
.with(examples!("apply/not-retryable"));

fn find(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    if rehearsal.ran(PassName::Retry) {
        return second_runs(rehearsal);
    }
    match &rehearsal.failure {
        // No copy can tell whether it applies: `config/not-measured` says so. Nor does a missing right.
        Some(failure) if foreign::failure(rehearsal).is_none() && failure.error.sqlstate != "42501" => {
            half_way(rehearsal, failure).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// One for each statement a further run fails at and how, wherever the first one stopped.
fn second_runs(rehearsal: &Rehearsal) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut told: BTreeMap<(usize, &str), Vec<(&Retry, &Met)>> = BTreeMap::new();
    for retry in &rehearsal.retries {
        if let Some(other) = other_end(retry.end).filter(|_| retry.met.is_empty()) {
            findings.push(comes_elsewhere(rehearsal, retry, other));
        }
        for met in &retry.met {
            told.entry((met.statement, &met.error.sqlstate)).or_default().push((retry, met));
        }
    }
    findings.extend(told.into_values().filter_map(|alike| second_run(rehearsal, &alike)));
    findings
}

fn second_run(rehearsal: &Rehearsal, alike: &[(&Retry, &Met)]) -> Option<Finding> {
    let (first, met) = alike.first()?;
    let message = rehearsal.redactor.error_message(&met.error, rehearsal.sql(met.statement).unwrap_or_default());
    let place = match alike.len() - 1 {
        0 => stopped(rehearsal, first.stopped),
        more => format!("{} (or at {})", stopped(rehearsal, first.stopped), human::plural(more, "other point")),
    };
    let proven = !met.mend.is_empty() && alike.iter().all(|(retry, _)| retry.end == End::Same);
    let sql = met.mend.join("; ");
    let advice = match (met.mend.is_empty(), proven) {
        (true, _) => {
            "undo the committed part by hand before the next try, or make each statement safe to run again".to_owned()
        }
        (false, true) => {
            format!("written as `{sql}`, it is safe to run again: a further run came through, to the same schema")
        }
        (false, false) => {
            format!("`{sql}` gets past it, but that is not enough: undo the committed part by hand before the next try")
        }
    };
    let points: Vec<usize> = alike.iter().map(|(retry, _)| retry.stopped.statement()).collect();
    let evidence =
        json!({ "sqlstate": met.error.sqlstate, "stopped_at": points, "mend": met.mend, "mend_proven": proven });
    let message = format!("where a run stopped {place}, the next one fails here: {message}");
    Some(Finding::measured(&NOT_RETRYABLE, Some(met.statement), Vec::new(), message, advice).with(evidence))
}

/// What a run that comes to its end may come to instead.
fn other_end(end: End) -> Option<&'static str> {
    match end {
        End::OtherSchema => Some("another schema"),
        End::OtherRows => Some("other rows"),
        End::Same | End::Stuck => None,
    }
}

fn comes_elsewhere(rehearsal: &Rehearsal, retry: &Retry, other: &str) -> Finding {
    let statement = retry.stopped.statement();
    let stopped = stopped(rehearsal, retry.stopped);
    Finding::measured(
        &NOT_RETRYABLE,
        Some(statement),
        Vec::new(),
        format!("where a run stopped {stopped}, the next one comes to its end with {other} than a run at once"),
        "write each statement so that it does nothing the second time, or undo the committed part before the next try"
            .to_owned(),
    )
    .with(json!({ "stopped_at": [statement], "differs": other }))
}

fn stopped(rehearsal: &Rehearsal, stopped: Stopped) -> String {
    let place = rehearsal.statement(stopped.statement()).map_or_else(String::new, Statement::place);
    match stopped {
        Stopped::Behind(_) => format!("behind {place}"),
        Stopped::At(_) => format!("at {place}"),
    }
}

/// What is known without a second run.
fn half_way(rehearsal: &Rehearsal, failure: &Failure) -> Option<Finding> {
    let statement = Some(failure.statement);
    let holds = |each: &&Statement| each.index == failure.statement;
    let mut migrations = rehearsal.migrations.iter();
    let failing = migrations.find(|migration| migration.statements.iter().any(|each| holds(&each)));
    let kept: Vec<usize> = failing
        .map(|migration| {
            let lasting = migration.statements.iter().filter(|each| !kind(each.sql()).leaves_nothing_behind());
            lasting.map(|statement| statement.index).filter(|index| rehearsal.committed.contains(index)).collect()
        })
        .unwrap_or_default();
    if !kept.is_empty() {
        return Some(
            Finding::measured(
                &NOT_RETRYABLE,
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
    let invalid = rehearsal.indexes.iter().filter(|index| index.change.kind == IndexChangeKind::Invalid);
    let invalid: Vec<String> = invalid.map(|index| index.change.name.clone()).collect();
    (!invalid.is_empty()).then(|| {
        Finding::measured(
            &NOT_RETRYABLE,
            statement,
            invalid.clone(),
            format!("the failed build leaves {} behind, and a second run finds the name taken", invalid.join(", ")),
            "drop the invalid index before the next try".into(),
        )
        .with(json!({ "invalid_indexes": invalid }))
    })
}
