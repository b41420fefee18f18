//! Before against after, whatever the engine. Pure.

use super::{Cause, Course, IndexEntry, PlanChange, Rehearsal, calibrate, cause, doubt, story};
use crate::diff;
use crate::diff::plan::render::Values;
use crate::diff::plan::sentence::Story;
use crate::diff::plan::verdict::Verdict;
use crate::snapshot::plan::PlanCapture;
use crate::workload::HotQuery;
use std::collections::BTreeSet;

/// Before against after, without a database.
pub(super) fn compare(course: &Course<'_>, rehearsal: &mut Rehearsal) {
    let (Some(before), Some(right_after), Some(settled)) =
        (&rehearsal.before, &rehearsal.right_after, &rehearsal.settled)
    else {
        return;
    };
    rehearsal.changes = diff::catalog::compare(&before.catalog, &right_after.catalog);
    let indexes = diff::index::compare_indexes(before, settled);
    rehearsal.indexes = indexes
        .into_iter()
        .map(|change| IndexEntry { statement: cause::statement_of_index(rehearsal, &change), change })
        .collect();
    judge(course, rehearsal);
    tell(rehearsal);
}

/// Puts what is known besides the plans into the first sentence of each diff.
pub(super) fn tell(rehearsal: &mut Rehearsal) {
    let stories: Vec<Story> = rehearsal.plans.iter().map(|change| story::of(rehearsal, change)).collect();
    for (change, story) in rehearsal.plans.iter_mut().zip(&stories) {
        change.diff.tell(story);
    }
}

/// The verdict of every plan, from all that was captured so far.
pub(super) fn judge(course: &Course<'_>, rehearsal: &mut Rehearsal) {
    let (Some(before), Some(_)) = (&rehearsal.before, &rehearsal.settled) else { return };
    let moments = diff::plan::Moments {
        before,
        again: &rehearsal.again,
        right_after: rehearsal.right_after.as_ref(),
        vacuumed: &rehearsal.vacuumed,
        settled: rehearsal.settled.as_ref(),
        samples: (&rehearsal.samples.0, &rehearsal.samples.1),
    };
    let values = if course.settings.show_values { Values::Shown } else { Values::Redacted };
    let noisy = rehearsal.self_test().is_noisy();
    let predicts = calibrate::of_the_source(rehearsal);
    let doubt = |capture: &PlanCapture| diff::plan::Doubt {
        predicts: rehearsal.calibration.differing.get(&capture.key).map(String::as_str).or(predicts).map(str::to_owned),
        lowers: doubt::of(capture, &rehearsal.repaired, &rehearsal.disturbed, noisy),
        forbids: doubt::of_triggers(rehearsal, capture),
    };
    let diffs = diff::plan::compare_plans(moments, &rehearsal.queries, &thresholds(course), values, doubt);
    rehearsal.plans = diffs.into_iter().map(|diff| PlanChange { diff, cause: Cause::default() }).collect();
}

fn thresholds(course: &Course<'_>) -> diff::plan::verdict::Thresholds {
    let thresholds = &course.settings.thresholds;
    diff::plan::verdict::Thresholds {
        work_ratio: thresholds.plan_ratio,
        buffers_floor: thresholds.plan_blocks,
        buffers_a_minute: thresholds.plan_blocks_per_minute,
        steps_floor: thresholds.plan_steps,
        steps_a_minute: thresholds.plan_steps_per_minute,
        ..Default::default()
    }
}

/// Queries with a plan that does more work right after the run than before it.
pub(super) fn worse_right_after<'a>(course: &Course<'_>, rehearsal: &'a Rehearsal) -> Vec<&'a HotQuery> {
    let (Some(before), Some(right_after)) = (&rehearsal.before, &rehearsal.right_after) else { return Vec::new() };
    let moments = diff::plan::Moments::between(before, right_after);
    let diffs = diff::plan::compare_plans(moments, &rehearsal.queries, &thresholds(course), Values::Redacted, |_| {
        diff::plan::Doubt::default()
    });
    let worse: BTreeSet<&str> = diffs
        .iter()
        .filter(|diff| diff.verdict.verdict.is_worse() && diff.verdict.verdict != Verdict::Broken)
        .map(|diff| diff.key.query.as_str())
        .collect();
    rehearsal.queries.iter().filter(|query| worse.contains(query.name.as_str())).collect()
}
