//! Hot queries, and how far what is said of them can be trusted.

use super::super::measured;
use super::super::v1::{self, QueryVerdict};
use crate::diff::plan::PlanSide;
use crate::diff::plan::verdict::Lasts;
use crate::engine::postgres::settle::RepairMethod;
use crate::rehearsal::{PlanChange, Rehearsal};
use crate::snapshot::plan::{Captured, PlanMode, QueryPlan, Unit};
use crate::workload::HotQuery;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn queries(rehearsal: &Rehearsal) -> Vec<v1::Query> {
    let registered: BTreeMap<&str, &HotQuery> =
        rehearsal.queries.iter().map(|query| (query.name.as_str(), query)).collect();
    let query = |change: &PlanChange| query(rehearsal, change, registered.get(change.diff.key.query.as_str()).copied());
    rehearsal.plans.iter().map(query).collect()
}

fn query(rehearsal: &Rehearsal, change: &PlanChange, registered: Option<&HotQuery>) -> v1::Query {
    let side = |side: &PlanSide| plan_summary(rehearsal, side);
    v1::Query {
        name: change.diff.key.query.clone(),
        owner: registered.and_then(|query| query.owner.clone()),
        file: registered.map_or_else(String::new, |query| query.file.name.clone()),
        line: registered.map_or(0, |query| query.file.position(query.offset).line),
        weight: registered.map_or(1.0, |query| query.weight),
        parameter_set: change.diff.key.parameter_set.clone(),
        plan_mode: match change.diff.key.mode {
            PlanMode::Custom => v1::PlanMode::Custom,
            PlanMode::Generic => v1::PlanMode::Generic,
        },
        verdict: verdict(change),
        confidence: v1::QueryConfidence::from_name(change.diff.verdict.confidence.name())
            .unwrap_or(v1::QueryConfidence::Planned),
        before: side(&change.diff.before),
        after: change.diff.right_after.as_ref().and_then(side),
        after_settling: change.diff.settled.as_ref().and_then(side),
        cause: v1::Cause { statements: change.cause.statements.clone(), objects: change.cause.objects.clone() },
        lasts: change.diff.verdict.lasts.map(|lasts| match lasts {
            Lasts::UntilVacuum => v1::Lasts::UntilVacuum,
            Lasts::UntilAnalyze => v1::Lasts::UntilAnalyze,
        }),
        note: change.diff.verdict.note.clone(),
        plan_diff: change.diff.text.clone(),
        writes: measured::writes(rehearsal, &change.diff.key),
        time: measured::time(rehearsal, &change.diff.key),
    }
}

/// The contract's word for a plan's verdict.
pub(crate) fn verdict(change: &PlanChange) -> QueryVerdict {
    // Both enumerations have the same closed list of names.
    QueryVerdict::from_name(change.diff.verdict.verdict.name()).unwrap_or(QueryVerdict::Unstable)
}

fn plan_summary(rehearsal: &Rehearsal, side: &PlanSide) -> Option<v1::PlanSummary> {
    let work = side.captured.work();
    let blocks = work.filter(|work| work.unit() == Unit::Blocks);
    let plan: &QueryPlan = match &side.captured {
        Captured::Failed { .. } => return None,
        captured => captured.plan()?,
    };
    let plan = if rehearsal.redactor.show_values { plan.clone() } else { plan.redacted() };
    Some(v1::PlanSummary {
        total_cost: plan.root.total_cost(),
        buffers: blocks.map(|work| work.buffers),
        temp_blocks: blocks.map(|work| work.temp_blocks),
        steps: work.and_then(|work| work.steps).map(|steps| v1::Steps {
            vm_steps: steps.vm,
            full_scan_steps: steps.full_scan,
            sorts: steps.sorts,
            automatic_indexes: steps.automatic_indexes,
        }),
        fingerprint: side.shape().unwrap_or_default().to_owned(),
        plan: match plan.to_json() {
            Value::Object(plan) => plan,
            _ => serde_json::Map::new(),
        },
    })
}

/// Columns that had lost their statistics, or are new.
pub(super) fn statistics(rehearsal: &Rehearsal) -> Vec<v1::ColumnStatistics> {
    let columns = rehearsal.repaired.iter().map(|column| v1::ColumnStatistics {
        table: column.table.clone(),
        column: column.column.clone(),
        method: match column.method {
            RepairMethod::Transplanted => v1::StatisticsMethod::Transplanted,
            RepairMethod::Sampled => v1::StatisticsMethod::Sampled,
            RepairMethod::SampledInstead(_) => v1::StatisticsMethod::SampledInstead,
        },
        reason: match column.method {
            RepairMethod::SampledInstead(why) => Some(why.to_owned()),
            RepairMethod::Transplanted | RepairMethod::Sampled => None,
        },
    });
    columns.collect()
}

/// What capturing the state before twice showed; `None` where that was not done.
pub(super) fn self_test(rehearsal: &Rehearsal) -> Option<v1::SelfTest> {
    rehearsal.before.as_ref()?;
    let test = rehearsal.self_test();
    let name = |key: &crate::snapshot::plan::PlanKey| match (key.mode, key.parameter_set.as_str()) {
        (PlanMode::Generic, _) => format!("{} (generic plan)", key.query),
        (PlanMode::Custom, "") => key.query.clone(),
        (PlanMode::Custom, set) => format!("{} ({set})", key.query),
    };
    Some(v1::SelfTest { captures: test.captures, differing: test.differing.iter().map(name).collect() })
}
