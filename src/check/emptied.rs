//! Queries that find nothing any more: `plan/emptied`. They run, and fast.

use super::{Answer, Check, Finding, Kind, Severity, examples};
use crate::config::Thresholds;
use crate::rehearsal::{PlanChange, Rehearsal};
use crate::report::human::plural;
use crate::snapshot::plan::Captured;
use serde_json::json;

/// What this file finds.
pub(super) const CHECK: Check = Check { kinds: &[&EMPTIED], find };

const EMPTIED: Kind = Kind::new(
    "plan/emptied",
    Severity::Warning,
    Answer::Applies,
    "
        A hot query returned rows before the migration and returns none after it, whatever its parameters: they were deleted,
        moved, or are hidden by row-level security. Counted in the executions whose plans are compared.
    ",
)
.with(examples!("plan/emptied"));

fn find(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    let emptied = rehearsal.queries.iter().filter_map(|query| {
        let mine = rehearsal.plans.iter().filter(|change| change.diff.key.query == query.name);
        let returned: Vec<(&PlanChange, f64, f64)> =
            mine.filter_map(|change| rows(change).map(|(before, after)| (change, before, after))).collect();
        let most = returned.iter().map(|(_, before, _)| *before).fold(0.0, f64::max);
        let (change, ..) = returned.iter().find(|(_, before, _)| *before == most && most > 0.0)?;
        let none = returned.iter().all(|(.., after)| *after == 0.0);
        none.then(|| finding(change, most))
    });
    emptied.collect()
}

/// Rows returned before the migration and once the database has settled, where both were seen.
fn rows(change: &PlanChange) -> Option<(f64, f64)> {
    let Captured::Measured(before, _) = &change.diff.before.captured else { return None };
    let before = before.root.actual_rows()?;
    match &change.diff.settled.as_ref()?.captured {
        Captured::Measured(after, _) => Some((before, after.root.actual_rows()?)),
        // It was not run again: nothing it reads has changed.
        Captured::AsBefore(_) => Some((before, before)),
        Captured::Planned(_) | Captured::DidNotFinish(_) | Captured::Failed { .. } => None,
    }
}

fn finding(change: &PlanChange, before: f64) -> Finding {
    let query = &change.diff.key.query;
    let mut finding = Finding::measured(
        &EMPTIED,
        change.cause.statements.first().copied(),
        change.cause.objects.clone(),
        format!("{query} returned {}, and returns none any more", plural(before as usize, "row")),
        "see that these rows are meant to be gone, or out of sight, for this query".to_owned(),
    )
    .with(json!({ "rows_before": before, "rows_after": 0 }));
    finding.query = Some(query.clone());
    finding
}
