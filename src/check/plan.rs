//! What gets slower: `plan/*`. One finding for each query and id; its parameter sets are folded into the worst.

use super::{Finding, count};
use crate::config::Thresholds;
use crate::diff::plan::PlanSide;
use crate::diff::plan::verdict::{PlanConfidence, Verdict};
use crate::rehearsal::{PlanChange, Rehearsal, foreign};
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
    // A budget that was missed before already is not this migration's doing.
    if verdict.over_budget && !verdict.over_budget_before {
        ids.push("plan/over-budget");
    }
    ids
}

fn finding(id: &'static str, change: &PlanChange) -> Finding {
    let diff = &change.diff;
    let set = if diff.key.parameter_set.is_empty() { String::new() } else { format!(" ({})", diff.key.parameter_set) };
    let headline = diff.text.lines().next().unwrap_or_default();
    let name = &diff.key.query;
    let work = works(change);
    let message = match id {
        "plan/query-broken" => format!("{name} no longer runs: {headline}"),
        "plan/did-not-finish" => format!("{name}{set} ran into the time limit, which it did not before. {headline}"),
        "plan/transient" => format!("{name}{set} does more work until VACUUM and ANALYZE have run. {headline}"),
        "plan/over-budget" => format!("{name}{set} is over its budget (max_buffers): {work}"),
        "plan/slower-same-plan" => format!("{name}{set} does more work with the same plan: {work}"),
        _ if headline.is_empty() => format!("{name}{set} does more work: {work}"),
        _ => format!("{name}{set} does more work. {headline}"),
    };
    let advice = match id {
        "plan/transient" => "run VACUUM and ANALYZE on the table right after the migration",
        "plan/query-broken" => {
            "change the application first, or keep the old name alive (a view, a generated column) until it is"
        }
        "plan/slower-same-plan" => "look at what grew: bloat goes with VACUUM, wider rows stay",
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
        "statements": change.cause.statements,
        "note": diff.verdict.note,
    }))
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
