//! What gets slower: `plan/*`. One finding for each query and id; its parameter sets are folded into the worst.

use super::{Answer, Check, Finding, Kind, Severity, count, examples};
use crate::config::Thresholds;
use crate::diff::plan::PlanSide;
use crate::diff::plan::gate::Missed;
use crate::diff::plan::verdict::{Lasts, PlanConfidence, Verdict};
use crate::rehearsal::{PlanChange, Rehearsal, foreign, story};
use crate::snapshot::plan::{Unit, sqlite};
use serde_json::{Value, json};

/// What this file finds.
pub(super) const CHECK: Check = Check {
    kinds: &[
        &REGRESSED,
        &QUERY_BROKEN,
        &OVER_BUDGET,
        &DID_NOT_FINISH,
        &SLOWER_SAME_PLAN,
        &TRANSIENT,
        &UNSTABLE,
        &PREDICTED,
    ],
    find,
};

const REGRESSED: Kind = Kind::new(
    "plan/regressed",
    Severity::Error,
    Answer::Slower,
    "
        A hot query has another plan and does more work: at least `thresholds.plan_ratio` times as many blocks as before
        (1.5) and at least `thresholds.plan_blocks` more (100), or `thresholds.plan_blocks_per_minute` more by its weight
        (1,000,000), after the growth of its tables is taken out; or far more temporary blocks. SQLite counts steps of its
        virtual machine instead of blocks (`thresholds.plan_steps`, 50,000). A changed plan alone is never one. What cannot be
        run, because it writes, is judged by its estimated cost and marked as predicted.
    ",
)
.with(examples!("plan/regressed"));

const QUERY_BROKEN: Kind = Kind::new(
    "plan/query-broken",
    Severity::Error,
    Answer::Slower,
    "
        A hot query ran before the migration and is refused after it.
    ",
)
.with(examples!("plan/query-broken"));

const OVER_BUDGET: Kind = Kind::new(
    "plan/over-budget",
    Severity::Error,
    Answer::Slower,
    "
        A hot query does what its header rules out: it touches more blocks than `max_buffers`, takes more of SQLite's VM steps
        than `max_steps`, does not use an index named in `must_use_index`, or reads a table of more than `no_seq_scan_over` rows from end to end. These are absolute: the finding
        is raised where the state before missed them too, and says so.
    ",
)
.with(examples!("plan/over-budget"));

const DID_NOT_FINISH: Kind = Kind::new(
    "plan/did-not-finish",
    Severity::Error,
    Answer::Slower,
    "
        A hot query ran into the time limit (`thresholds.query_ms`, 30 seconds) under another plan or a higher cost, and did
        not before.
    ",
)
.with(examples!("plan/did-not-finish"));

pub(crate) const SLOWER_SAME_PLAN: Kind = Kind::new(
    "plan/slower-same-plan",
    Severity::Warning,
    Answer::Slower,
    "
        The plan is the same and the work is more than the growth of its tables explains: bloat, a lost order of rows, values
        moved out of line. An error from `thresholds.plan_blocks_per_minute` more blocks a minute on (1,000,000).
    ",
)
.with(examples!("plan/slower-same-plan"));

pub(crate) const TRANSIENT: Kind = Kind::new(
    "plan/transient",
    Severity::Warning,
    Answer::Slower,
    "
        A hot query does more work right after the migration, and no longer once the database has settled. A rewrite, for
        example, loses the visibility map that index-only scans live on: that lasts until VACUUM. A column whose type changed
        has no statistics: that lasts until ANALYZE. Which of the two it is was tried; the finding has the line to add.
    ",
)
.with(examples!("plan/transient"));

const UNSTABLE: Kind = Kind::new(
    "plan/unstable",
    Severity::Warning,
    Answer::Slower,
    "
        Nothing certain can be said: two captures before the migration differed; most fresh samples of the same rows (ANALYZE)
        give as much work without the migration, or some of them more with it; triggers of the table it writes to changed, and no
        plan shows what they do; the query was cut off by the time limit under the same plan; or the server had troubles of its
        own. It is not counted as slower.
    ",
)
.with(examples!("plan/unstable"));

pub(crate) const PREDICTED: Kind = Kind::new(
    "plan/predicted",
    Severity::Warning,
    Answer::Slower,
    "
        A hot query does more work on the copy, and the copy says little about the database it stands for: a source that
        is a running server was asked (plain EXPLAIN) and plans the query in another way than the copy did before the
        migration, or the source has a part of the rows only. It is not counted as slower; the answer is unknown.
    ",
)
.with(examples!("plan/predicted"));

fn find(rehearsal: &Rehearsal, thresholds: &Thresholds) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    let breaking = super::schema::find(rehearsal, thresholds);
    let mut changes: Vec<&PlanChange> = rehearsal.plans.iter().collect();
    // The set that suffers most speaks for the query.
    changes.sort_by(|left, right| factor(right).total_cmp(&factor(left)));
    for query in rehearsal.queries.iter().filter(|query| foreign::query(rehearsal, query).is_none()) {
        let mine =
            changes.iter().filter(|change| change.diff.key.query == query.name && !change.diff.verdict.failed_before);
        for change in mine {
            for kind in kinds(change) {
                let severity = severity(kind, change, query.weight, thresholds);
                let told = |known: &&mut Finding| known.kind == kind && known.query.as_deref() == Some(&query.name);
                match findings.iter_mut().find(told) {
                    // Another set may do less times more and still more.
                    Some(known) => known.severity = worse(known.severity, severity),
                    None => findings.push(Finding { severity, ..finding(kind, change) }),
                }
            }
        }
    }
    // What cannot be judged with one set is no news of a query that does more work for certain with another.
    let certain: Vec<Option<String>> = findings
        .iter()
        .filter(|found| found.severity == Severity::Error && *found.kind != OVER_BUDGET)
        .map(|found| found.query.clone())
        .collect();
    findings.retain(|found| *found.kind != UNSTABLE || !certain.contains(&found.query));
    for found in findings.iter_mut().filter(|found| *found.kind == QUERY_BROKEN) {
        // What is gone, not what the plan used to go through.
        let gone = breaking.iter().filter(|each| each.statement == found.statement);
        let gone: Vec<String> = gone.flat_map(|each| each.objects.clone()).collect();
        if !gone.is_empty() {
            found.objects = gone;
        }
    }
    findings
}

/// More work under the same plan is as bad as often as the query runs.
fn severity(kind: &Kind, change: &PlanChange, weight: f64, thresholds: &Thresholds) -> Severity {
    // What a budget is missed by on rows that are not the database's own is a prediction as well.
    if *kind == OVER_BUDGET && change.diff.verdict.confidence == PlanConfidence::Predicted {
        return Severity::Warning;
    }
    let floor = match change.diff.before.captured.work().map(|work| work.unit()) {
        Some(Unit::VmSteps) => thresholds.plan_steps_per_minute,
        Some(Unit::Blocks) | None => thresholds.plan_blocks_per_minute,
    };
    let much = *kind == SLOWER_SAME_PLAN && added_a_minute(change, weight) >= floor;
    if much { Severity::Error } else { kind.severity }
}

fn worse(one: Severity, other: Severity) -> Severity {
    if [one, other].contains(&Severity::Error) { Severity::Error } else { one }
}

fn added_a_minute(change: &PlanChange, weight: f64) -> f64 {
    let after = change.diff.settled.as_ref().and_then(|side| side.captured.work());
    change.diff.verdict.added_a_minute(change.diff.before.captured.work(), after, weight)
}

fn factor(change: &PlanChange) -> f64 {
    change.diff.verdict.factor.unwrap_or(0.0)
}

fn kinds(change: &PlanChange) -> Vec<&'static Kind> {
    let verdict = &change.diff.verdict;
    let mut kinds = Vec::new();
    match (verdict.verdict, verdict.confidence) {
        (Verdict::Regressed | Verdict::SlowerSamePlan | Verdict::DidNotFinish, PlanConfidence::Predicted) => {
            kinds.push(&PREDICTED);
        }
        (Verdict::Regressed, _) => kinds.push(&REGRESSED),
        (Verdict::Broken, _) => kinds.push(&QUERY_BROKEN),
        (Verdict::DidNotFinish, _) => kinds.push(&DID_NOT_FINISH),
        (Verdict::SlowerSamePlan, _) => kinds.push(&SLOWER_SAME_PLAN),
        (Verdict::Transient, _) => kinds.push(&TRANSIENT),
        (Verdict::Unstable, _) => kinds.push(&UNSTABLE),
        _ => {}
    }
    // Absolute: a budget that was missed before already is still missed.
    if !verdict.missed.is_empty() {
        kinds.push(&OVER_BUDGET);
    }
    kinds
}

fn finding(kind: &'static Kind, change: &PlanChange) -> Finding {
    let diff = &change.diff;
    let set = if diff.key.parameter_set.is_empty() { String::new() } else { format!(" ({})", diff.key.parameter_set) };
    let headline = diff.headline.as_str();
    let name = &diff.key.query;
    let work = works(change);
    let message = match *kind {
        QUERY_BROKEN => format!("{name} no longer runs: {}", headline.trim_start_matches("No longer runs: ")),
        DID_NOT_FINISH => format!("{name}{set} ran into the time limit, which it did not before. {headline}"),
        TRANSIENT => format!("{name}{set} does more work until {} has run. {headline}", lasts(change)),
        OVER_BUDGET => {
            let missed: Vec<String> = diff.verdict.missed.iter().map(ToString::to_string).collect();
            let since = if diff.verdict.missed_before { ", as before the migration already" } else { "" };
            format!("{name}{set} is over its budget: {}{since}", missed.join("; "))
        }
        UNSTABLE => {
            format!("{name}{set} cannot be judged: {}", diff.verdict.note.as_deref().unwrap_or(headline))
        }
        SLOWER_SAME_PLAN => format!("{name}{set} does more work with the same plan: {work}"),
        PREDICTED => {
            let note = diff.verdict.note.as_deref().unwrap_or_default();
            format!("{name}{set} does more work on the copy ({work}), which says little: {note}. {headline}")
        }
        _ if headline.is_empty() => format!("{name}{set} does more work: {work}"),
        _ => format!("{name}{set} does more work. {headline}"),
    };
    let advice = match *kind {
        TRANSIENT => &transient_advice(change),
        UNSTABLE => {
            "look at the plan diff; where two plans cost about the same, a clearer index or extended statistics decide"
        }
        PREDICTED if of_sqlite(change) => {
            "look at how the source plans it (EXPLAIN QUERY PLAN) and what the migration takes from that plan; a copy of the \
             database file itself says more"
        }
        PREDICTED => {
            "look at how the source plans it (EXPLAIN) and what the migration takes from that plan; a copy with the \
             source's own statistics (a data directory, or a dump with --statistics) says more"
        }
        OVER_BUDGET => "bring the query back within its budget, or change the budget in its header",
        QUERY_BROKEN => {
            "change the application first, or keep the old name alive (a view, a generated column) until it is"
        }
        SLOWER_SAME_PLAN if of_sqlite(change) => "look at what grew: it steps over more rows, or does more with each",
        SLOWER_SAME_PLAN if reads_a_cause(change) => "look at what grew: bloat goes with VACUUM, wider rows stay",
        SLOWER_SAME_PLAN => {
            "its plan is the same and what it reads itself was left alone: look at the functions it calls, and at what they read"
        }
        _ => "keep what the old plan used until something as good is there; see the plan diff",
    };
    let mut objects = change.cause.objects.clone();
    if objects.is_empty() {
        objects.clone_from(&diff.objects);
    }
    let mut finding = Finding::measured(
        kind,
        change.cause.statements.first().copied(),
        objects,
        message.trim().to_owned(),
        advice.to_owned(),
    );
    if diff.verdict.confidence == PlanConfidence::Predicted || diff.verdict.confidence == PlanConfidence::Planned {
        finding.confidence = crate::report::v1::Confidence::Predicted;
    }
    finding.query = Some(name.clone());
    let counted = match diff.before.captured.work().map(|work| work.unit()) {
        Some(Unit::VmSteps) => ["vm_steps_before", "vm_steps_after", "vm_steps_after_settling"],
        Some(Unit::Blocks) | None => ["buffers_before", "buffers_after", "buffers_after_settling"],
    };
    finding.with(json!({
        "parameter_set": diff.key.parameter_set,
        "factor": diff.verdict.factor,
        counted[0]: amount(Some(&diff.before)),
        counted[1]: amount(diff.right_after.as_ref()),
        counted[2]: amount(diff.settled.as_ref()),
        "lasts": diff.verdict.lasts.map(Lasts::name),
        "missed": diff.verdict.missed.iter().map(Missed::key).collect::<Vec<_>>(),
        "statements": change.cause.statements,
        "note": diff.verdict.note,
    }))
}

/// Whether SQLite planned it: its steps know no bloat, its databases no functions.
fn of_sqlite(change: &PlanChange) -> bool {
    change.diff.before.captured.plan().is_some_and(|plan| plan.root.node_type == sqlite::ROOT)
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

fn amount(side: Option<&PlanSide>) -> Value {
    side.and_then(|side| side.captured.work()).map_or(Value::Null, |work| json!(work.amount()))
}

/// `50 → 2,093 blocks`, or how much the estimate grew where nothing was run.
fn works(change: &PlanChange) -> String {
    let diff = &change.diff;
    let shown = if diff.verdict.verdict == Verdict::Transient { &diff.right_after } else { &diff.settled };
    let before = diff.before.captured.work();
    let after = shown.as_ref().and_then(|side| side.captured.work());
    match (before, after) {
        (Some(before), Some(after)) => {
            format!("{} → {} {}", count(before.amount()), count(after.amount()), after.unit().name())
        }
        _ => diff
            .verdict
            .factor
            .map_or_else(|| "not measured".to_owned(), |factor| format!("planned, not run: cost ×{factor:.1}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::plan::render::Values;
    use crate::diff::plan::{Doubt, Moments, compare_plans, verdict};
    use crate::report::redact::Redactor;
    use crate::snapshot::Snapshot;
    use crate::snapshot::plan::{Captured, PlanCapture, PlanKey, PlanMode, QueryPlan, Work};
    use crate::workload::HotQuery;
    use std::collections::BTreeMap;

    #[test]
    fn the_set_that_does_most_more_work_decides_how_bad_it_is_and_not_the_one_that_grew_most_times() {
        let of = |set: &str, buffers| PlanCapture {
            key: PlanKey { query: "q".to_owned(), parameter_set: set.to_owned(), mode: PlanMode::Custom },
            captured: Captured::Measured(
                QueryPlan::from_explain_json(include_str!("../../tests/plans/15/index_scan.json")).expect("a plan"),
                Work::blocks(buffers, 0),
            ),
        };
        let snapshot = |small, large| Snapshot {
            catalog: Default::default(),
            sizes: BTreeMap::new(),
            plans: vec![of("small", small), of("large", large)],
        };
        let query = HotQuery::bare("q", "SELECT 1");
        let severity = |large_after| {
            let (before, after) = (snapshot(10, 1_000_000), snapshot(200, large_after));
            let limits = verdict::Thresholds::default();
            let moments = Moments { settled: Some(&after), ..Moments::between(&before, &after) };
            let diffs =
                compare_plans(moments, std::slice::from_ref(&query), &limits, Values::Redacted, |_| Doubt::default());
            let mut rehearsal = Rehearsal::new(Redactor { show_values: false }, vec![query.clone()]);
            rehearsal.plans = diffs.into_iter().map(|diff| PlanChange { diff, cause: Default::default() }).collect();
            let found = find(&rehearsal, &Thresholds::default());
            found.iter().map(|finding| (finding.kind.id, finding.severity)).collect::<Vec<_>>()
        };
        assert_eq!(severity(1_000_000), [(SLOWER_SAME_PLAN.id, Severity::Warning)]);
        assert_eq!(severity(2_600_000), [(SLOWER_SAME_PLAN.id, Severity::Error)]);
    }

    #[test]
    fn advice_on_sqlite_speaks_of_what_sqlite_has() {
        let plan = sqlite::plan(&[], "SELECT 1", &crate::snapshot::sqlite::Schema::default());
        let key = PlanKey { query: "q".to_owned(), parameter_set: String::new(), mode: PlanMode::Custom };
        let plans = vec![PlanCapture { key, captured: Captured::Planned(plan) }];
        let snapshot = Snapshot { catalog: Default::default(), sizes: BTreeMap::new(), plans };
        let moments = Moments { settled: Some(&snapshot), ..Moments::between(&snapshot, &snapshot) };
        let (query, limits) = (HotQuery::bare("q", "SELECT 1"), verdict::Thresholds::default());
        let diffs =
            compare_plans(moments, std::slice::from_ref(&query), &limits, Values::Redacted, |_| Doubt::default());
        let change = PlanChange { diff: diffs[0].clone(), cause: Default::default() };
        for kind in [&PREDICTED, &SLOWER_SAME_PLAN] {
            let advice = finding(kind, &change).advice;
            let foreign = ["VACUUM", "--statistics", "data directory", "functions"];
            assert!(foreign.iter().all(|word| !advice.contains(word)), "{advice}");
        }
    }

    #[test]
    fn a_query_that_is_slower_with_one_set_is_not_said_to_be_past_judging_with_another() {
        let of = |set: &str| PlanCapture {
            key: PlanKey { query: "q".to_owned(), parameter_set: set.to_owned(), mode: PlanMode::Custom },
            captured: Captured::Planned(
                QueryPlan::from_explain_json(include_str!("../../tests/plans/15/index_scan.json")).expect("a plan"),
            ),
        };
        let snapshot =
            Snapshot { catalog: Default::default(), sizes: BTreeMap::new(), plans: vec![of("one"), of("other")] };
        let moments = Moments { settled: Some(&snapshot), ..Moments::between(&snapshot, &snapshot) };
        let limits = verdict::Thresholds::default();
        let query = HotQuery::bare("q", "SELECT 1");
        let diffs =
            compare_plans(moments, std::slice::from_ref(&query), &limits, Values::Redacted, |_| Doubt::default());
        let found = |verdicts: [Verdict; 2]| {
            let mut rehearsal = Rehearsal::new(Redactor { show_values: false }, vec![query.clone()]);
            rehearsal.plans =
                diffs.iter().cloned().map(|diff| PlanChange { diff, cause: Default::default() }).collect();
            for (change, verdict) in rehearsal.plans.iter_mut().zip(verdicts) {
                change.diff.verdict.verdict = verdict;
            }
            let found = find(&rehearsal, &Thresholds::default());
            found.iter().map(|finding| finding.kind.id).collect::<Vec<_>>()
        };
        assert_eq!(found([Verdict::Unstable, Verdict::Unchanged]), [UNSTABLE.id]);
        assert_eq!(found([Verdict::Unstable, Verdict::Broken]), [QUERY_BROKEN.id]);
    }
}
