//! What gets slower: `plan/*`. One finding for each query and id; its parameter sets are folded into the worst.

use super::{Finding, Severity, count};
use crate::config::Thresholds;
use crate::diff::plan::PlanSide;
use crate::diff::plan::gate::Missed;
use crate::diff::plan::verdict::{Lasts, PlanConfidence, Verdict};
use crate::rehearsal::{PlanChange, Rehearsal, foreign, story};
use serde_json::{Value, json};

pub(super) fn check(rehearsal: &Rehearsal, thresholds: &Thresholds) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    let breaking = super::schema::check(rehearsal, thresholds);
    let mut changes: Vec<&PlanChange> = rehearsal.plans.iter().collect();
    // The set that suffers most speaks for the query.
    changes.sort_by(|left, right| factor(right).total_cmp(&factor(left)));
    for query in rehearsal.queries.iter().filter(|query| foreign::query(rehearsal, query).is_none()) {
        let mine =
            changes.iter().filter(|change| change.diff.key.query == query.name && !change.diff.verdict.failed_before);
        for change in mine {
            for id in ids(change) {
                if !findings.iter().any(|known| known.id == id && known.query.as_deref() == Some(&query.name)) {
                    let mut found = finding(id, change);
                    if id == "plan/slower-same-plan"
                        && added_a_minute(change, query.weight) >= thresholds.plan_blocks_per_minute
                    {
                        found.severity = Severity::Error;
                    }
                    if id == "plan/query-broken" {
                        // What is gone, not what the plan used to go through.
                        let gone = breaking.iter().filter(|each| each.statement == found.statement);
                        let gone: Vec<String> = gone.flat_map(|each| each.objects.clone()).collect();
                        if !gone.is_empty() {
                            found.objects = gone;
                        }
                    }
                    findings.push(found);
                }
            }
        }
    }
    findings
}

fn added_a_minute(change: &PlanChange, weight: f64) -> f64 {
    let after = change.diff.settled.as_ref().and_then(|side| side.captured.work());
    change.diff.verdict.added_a_minute(change.diff.before.captured.work(), after, weight)
}

fn factor(change: &PlanChange) -> f64 {
    change.diff.verdict.factor.unwrap_or(0.0)
}

fn ids(change: &PlanChange) -> Vec<&'static str> {
    let verdict = &change.diff.verdict;
    let mut ids = Vec::new();
    match (verdict.verdict, verdict.confidence) {
        (Verdict::Regressed, PlanConfidence::Predicted) => ids.push("plan/predicted"),
        (Verdict::Regressed, _) => ids.push("plan/regressed"),
        (Verdict::Broken, _) => ids.push("plan/query-broken"),
        (Verdict::DidNotFinish, _) => ids.push("plan/did-not-finish"),
        (Verdict::SlowerSamePlan, _) => ids.push("plan/slower-same-plan"),
        (Verdict::Transient, _) => ids.push("plan/transient"),
        (Verdict::Unstable, _) => ids.push("plan/unstable"),
        _ => {}
    }
    // Absolute: a budget that was missed before already is still missed.
    if !verdict.missed.is_empty() {
        ids.push("plan/over-budget");
    }
    ids
}

fn finding(id: &'static str, change: &PlanChange) -> Finding {
    let diff = &change.diff;
    let set = if diff.key.parameter_set.is_empty() { String::new() } else { format!(" ({})", diff.key.parameter_set) };
    let headline = diff.headline.as_str();
    let name = &diff.key.query;
    let work = works(change);
    let message = match id {
        "plan/query-broken" => format!("{name} no longer runs: {}", headline.trim_start_matches("No longer runs: ")),
        "plan/did-not-finish" => format!("{name}{set} ran into the time limit, which it did not before. {headline}"),
        "plan/transient" => format!("{name}{set} does more work until {} has run. {headline}", lasts(change)),
        "plan/over-budget" => {
            let missed: Vec<String> = diff.verdict.missed.iter().map(ToString::to_string).collect();
            let since = if diff.verdict.missed_before { ", as before the migration already" } else { "" };
            format!("{name}{set} is over its budget: {}{since}", missed.join("; "))
        }
        "plan/unstable" => {
            format!("{name}{set} cannot be judged: {}", diff.verdict.note.as_deref().unwrap_or(headline))
        }
        "plan/slower-same-plan" => format!("{name}{set} does more work with the same plan: {work}"),
        _ if headline.is_empty() => format!("{name}{set} does more work: {work}"),
        _ => format!("{name}{set} does more work. {headline}"),
    };
    let advice = match id {
        "plan/transient" => &transient_advice(change),
        "plan/unstable" => "look at the plan diff; a clearer index or extended statistics take a plan off the edge",
        "plan/over-budget" => "bring the query back within its budget, or change the budget in its header",
        "plan/query-broken" => {
            "change the application first, or keep the old name alive (a view, a generated column) until it is"
        }
        "plan/slower-same-plan" if reads_a_cause(change) => {
            "look at what grew: bloat goes with VACUUM, wider rows stay"
        }
        "plan/slower-same-plan" => {
            "its plan is the same and what it reads itself was left alone: look at the functions it calls, and at what they read"
        }
        _ => "keep what the old plan used until something as good is there; see the plan diff",
    };
    let mut objects = change.cause.objects.clone();
    if objects.is_empty() {
        objects.clone_from(&diff.objects);
    }
    let mut finding = Finding::measured(
        id,
        change.cause.statements.first().copied(),
        objects,
        message.trim().to_owned(),
        advice.to_owned(),
    );
    if diff.verdict.confidence == PlanConfidence::Predicted || diff.verdict.confidence == PlanConfidence::Planned {
        finding.confidence = crate::report::v1::Confidence::Predicted;
    }
    finding.query = Some(name.clone());
    finding.with(json!({
        "parameter_set": diff.key.parameter_set,
        "factor": diff.verdict.factor,
        "buffers_before": buffers(Some(&diff.before)),
        "buffers_after": buffers(diff.right_after.as_ref()),
        "buffers_after_settling": buffers(diff.settled.as_ref()),
        "lasts": diff.verdict.lasts.map(Lasts::name),
        "missed": diff.verdict.missed.iter().map(Missed::key).collect::<Vec<_>>(),
        "statements": change.cause.statements,
        "note": diff.verdict.note,
    }))
}

/// Whether the causes are among the tables and indexes the query itself reads.
fn reads_a_cause(change: &PlanChange) -> bool {
    let plan = change.diff.before.captured.plan();
    plan.is_some_and(|plan| {
        let tables = plan.relations().into_iter().map(|relation| relation.qualified());
        let mut read = tables.chain(plan.indexes().into_iter().map(|used| used.index.qualified()));
        read.any(|name| change.cause.objects.contains(&name))
    })
}

fn lasts(change: &PlanChange) -> &'static str {
    match change.diff.verdict.lasts {
        Some(Lasts::UntilAnalyze) => "ANALYZE",
        Some(Lasts::UntilVacuum) | None => "VACUUM",
    }
}

/// The line to add to the deployment.
fn transient_advice(change: &PlanChange) -> String {
    story::mend(change).map_or_else(String::new, |line| format!("run right after the migration: {line}"))
}

fn buffers(side: Option<&PlanSide>) -> Value {
    side.and_then(|side| side.captured.work()).map_or(Value::Null, |work| json!(work.buffers))
}

/// `50 → 2,093 blocks`, or how much the estimate grew where nothing was run.
fn works(change: &PlanChange) -> String {
    let diff = &change.diff;
    let shown = if diff.verdict.verdict == Verdict::Transient { &diff.right_after } else { &diff.settled };
    let before = diff.before.captured.work();
    let after = shown.as_ref().and_then(|side| side.captured.work());
    match (before, after) {
        (Some(before), Some(after)) => format!("{} → {} blocks", count(before.buffers), count(after.buffers)),
        _ => diff
            .verdict
            .factor
            .map_or_else(|| "not measured".to_owned(), |factor| format!("planned, not run: cost ×{factor:.1}")),
    }
}
