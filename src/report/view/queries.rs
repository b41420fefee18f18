//! What every format for people says of hot queries.

use super::super::human;
use super::super::v1::{Lasts, PlanMode, PlanSummary, Query, QueryConfidence, QueryVerdict, Report, StatisticsMethod};
use super::{statement_label, words};
use crate::snapshot::plan::Unit;

/// Hot queries worth a line: all but the unchanged, worst first, then by weight.
pub fn changed_queries(report: &Report) -> Vec<&Query> {
    let mut queries: Vec<&Query> = report.queries.iter().filter(|q| q.verdict != QueryVerdict::Unchanged).collect();
    queries
        .sort_by(|left, right| rank(left.verdict).cmp(&rank(right.verdict)).then(right.weight.total_cmp(&left.weight)));
    queries
}

fn rank(verdict: QueryVerdict) -> usize {
    use QueryVerdict as Q;
    let order = [
        Q::Broken,
        Q::DidNotFinish,
        Q::Regressed,
        Q::OverBudget,
        Q::SlowerSamePlan,
        Q::Transient,
        Q::Unstable,
        Q::PlanChanged,
        Q::GrewWithTable,
        Q::Improved,
        Q::Unchanged,
    ];
    order.iter().position(|known| *known == verdict).unwrap_or(order.len())
}

/// `orders_by_customer (regular)`, `orders_by_customer (generic plan)`.
pub fn query_label(query: &Query) -> String {
    match (query.plan_mode, query.parameter_set.as_str()) {
        (PlanMode::Generic, _) => format!("{} (generic plan)", query.name),
        (PlanMode::Custom, "") => query.name.clone(),
        (PlanMode::Custom, set) => format!("{} ({set})", query.name),
    }
}

/// `regressed: 7,544 blocks instead of 11 (686×)`, with what it rests on unless that was measured.
pub fn query_headline(query: &Query) -> String {
    let mut out = words(query.verdict.name());
    let after = query.after_settling.as_ref().or(query.after.as_ref());
    // What passes is over in the settled state: there the state right after is the news.
    let after = if query.verdict == QueryVerdict::Transient { query.after.as_ref() } else { after };
    if let (Some(before), Some(after)) = (&query.before, after) {
        let (unit, old, new, ratio) = match (before.amount(), after.amount()) {
            (Some((old, _)), Some((new, unit))) => {
                (unit.name(), human::count(old), human::count(new), human::times(old as f64, new as f64))
            }
            _ => (
                "estimated cost",
                human::cost(before.total_cost),
                human::cost(after.total_cost),
                human::times(before.total_cost, after.total_cost),
            ),
        };
        let ratio = ratio.map(|ratio| format!(" ({ratio})")).unwrap_or_default();
        out.push_str(&match unit {
            // Not run again, at the same cost.
            "estimated cost" if old == new => String::new(),
            "estimated cost" => format!(": {unit} {new} instead of {old}{ratio}"),
            unit if old == new => format!(": {new} {unit} as before"),
            unit => format!(": {new} {unit} instead of {old}{ratio}"),
        });
        if query.verdict == QueryVerdict::Transient
            && let Some(settled) = query.after_settling.as_ref().and_then(PlanSummary::amount)
        {
            let settling = match query.lasts {
                Some(Lasts::UntilVacuum) => "VACUUM",
                Some(Lasts::UntilAnalyze) => "ANALYZE",
                None if settled.1 == Unit::VmSteps => "ANALYZE",
                None => "VACUUM and ANALYZE",
            };
            out.push_str(&format!(", {} after {settling}", human::count(settled.0)));
        }
    }
    if query.confidence != QueryConfidence::Measured {
        // Where both were counted it is doubt that lowers the confidence, and the note says which.
        out.push_str(&match &query.note {
            Some(note) => format!(", {} only: {note}", query.confidence.name()),
            None => format!(", {} only", query.confidence.name()),
        });
    } else if let Some(note) = &query.note {
        out.push_str(&format!(": {note}"));
    }
    out
}

/// `7 plans unchanged: 4 measured, 3 only planned`; `None` where there are none.
pub fn unchanged(report: &Report) -> Option<String> {
    let unchanged: Vec<&Query> =
        report.queries.iter().filter(|query| query.verdict == QueryVerdict::Unchanged).collect();
    let measured = unchanged.iter().filter(|query| query.confidence == QueryConfidence::Measured).count();
    let planned = unchanged.len() - measured;
    let plans = human::plural(unchanged.len(), "plan");
    match (measured, planned) {
        (0, 0) => None,
        (_, 0) => Some(format!("{plans} unchanged, measured")),
        (0, _) => {
            Some(format!("{plans} unchanged, only planned: writes, or the same plan and cost over untouched tables"))
        }
        _ => Some(format!(
            "{plans} unchanged: {measured} measured, {planned} only planned: writes, or the same plan and cost over \
             untouched tables"
        )),
    }
}

/// How the statistics were kept; `None` where no hot query was planned.
pub fn statistics(report: &Report) -> Option<String> {
    report.queries.first()?;
    let of = |method: StatisticsMethod| -> Vec<String> {
        let columns = report.statistics.iter().filter(|column| column.method == method);
        columns.map(|column| format!("{}.{}", column.table, column.column)).collect()
    };
    let mut told = "frozen: columns that have statistics are not sampled again".to_owned();
    for (method, what) in [
        (StatisticsMethod::Transplanted, "moved to the new type"),
        (StatisticsMethod::Sampled, "new, sampled"),
        (StatisticsMethod::SampledInstead, "sampled again, since they could not be moved"),
    ] {
        let columns = of(method);
        if !columns.is_empty() {
            told.push_str(&format!("; {what}: {}", human::list(&columns)));
        }
    }
    Some(told)
}

/// What capturing the state before twice showed; `None` where nothing was.
pub fn self_test(report: &Report) -> Option<String> {
    let test = report.self_test.as_ref().filter(|test| test.captures > 0)?;
    let plans = human::plural(test.captures, "plan");
    Some(match test.differing.as_slice() {
        [] => format!("{plans} captured twice before the migration, all alike"),
        some => format!("{plans} captured twice before the migration; differing: {}", human::list(some)),
    })
}

/// `statement 1, DROP INDEX orders_customer_id_idx`, and objects its text does not name; `None` where no cause is known, or
/// the sentence of its diff names it.
pub fn query_cause(report: &Report, query: &Query) -> Option<String> {
    if query.plan_diff.lines().next().is_some_and(|sentence| sentence.contains("; since ")) {
        return None;
    }
    let labels: Vec<String> = query.cause.statements.iter().map(|index| statement_label(report, *index)).collect();
    let mut parts = labels.clone();
    let unnamed = query.cause.objects.iter().filter(|object| {
        let name = object.rsplit('.').next().unwrap_or(object);
        !labels.iter().any(|label| label.contains(name))
    });
    parts.extend(unnamed.cloned());
    (!parts.is_empty()).then(|| parts.join("; "))
}
