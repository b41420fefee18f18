//! The time of queries that changed, before and after in turns. Needs both states at the same moment: the one place
//! where two copies stand side by side.

use super::writes::migrate;
use super::{Ready, Rehearsal, RehearsalError, passes};
use crate::diff::plan::verdict::Verdict;
use crate::engine::postgres::explain::timing::{Turns, take_turns};
use crate::snapshot::plan::{Captured, PlanKey};
use crate::workload::HotQuery;

/// Turns for each query, after one run on each side that warms up.
const TURNS: usize = 9;

/// Times of one query with one set of values.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryTime {
    /// Which query, with which values, planned how.
    pub key: PlanKey,
    /// Its runs.
    pub turns: Turns,
}

/// Times what changed and ran to its end on both sides of the measured run. Returns why there was nothing to time.
///
/// # Errors
/// Copies that cannot be made, servers that refuse what the tool asks.
pub(super) async fn measure(plan: &Ready<'_>, rehearsal: &mut Rehearsal) -> Result<Option<String>, RehearsalError> {
    let queries: Vec<(PlanKey, HotQuery)> = rehearsal
        .plans
        .iter()
        .map(|change| &change.diff)
        .filter(|diff| diff.verdict.verdict != Verdict::Unchanged)
        .filter(|diff| matches!(diff.before.captured, Captured::Measured(..)))
        .filter(|diff| diff.settled.as_ref().is_some_and(|side| matches!(side.captured, Captured::Measured(..))))
        .filter_map(|diff| {
            let query = rehearsal.queries.iter().find(|query| query.name == diff.key.query)?;
            Some((diff.key.clone(), query.clone()))
        })
        .collect();
    if queries.is_empty() {
        return Ok(Some("no hot query that reads changed".to_owned()));
    }
    let before = plan.copy().await?;
    let after = plan.copy().await?;
    migrate(&after, rehearsal).await?;
    let mut found = Vec::new();
    for (key, query) in queries {
        let role = query.role.as_deref();
        let (left, right) = (&before.target, &after.target);
        let mut left = left.session_as(role.unwrap_or(&left.role), "hot queries").await?;
        let mut right = right.session_as(role.unwrap_or(&right.role), "hot queries").await?;
        if let Some(turns) = take_turns((&mut left, &mut right), &query, &key, &passes::options(plan), TURNS).await {
            found.push(QueryTime { key, turns });
        }
        left.close().await;
        right.close().await;
    }
    before.destroy().await?;
    after.destroy().await?;
    rehearsal.times = found;
    Ok(None)
}
