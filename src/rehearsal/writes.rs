//! What hot queries that write pay before and after: each side on a fresh copy, the migrated one settled.

use super::{Ready, Rehearsal, RehearsalError, passes};
use crate::copy::scratch::ScratchDatabase;
use crate::engine::postgres::apply::{Unwatched, apply};
use crate::engine::postgres::explain::writes::{SERVER_SETTINGS, Written, run_query};
use crate::engine::postgres::statistics::SavedStatistics;
use crate::snapshot::plan::{Captured, PlanKey, PlanMode, QueryPlan};
use crate::snapshot::write::Write;
use crate::workload::HotQuery;
use std::collections::BTreeMap;

/// What one query that writes pays, with one set of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteCost {
    /// Which query, with which values.
    pub key: PlanKey,
    /// Before the migration; `None` where it did not run.
    pub before: Option<Write>,
    /// After it, settled; `None` where it did not run.
    pub after: Option<Write>,
    /// Why it did not run on one side or on both.
    pub reason: Option<String>,
}

type Side = BTreeMap<PlanKey, Written>;

/// Runs what may write on both sides. Returns why there was nothing to run.
///
/// # Errors
/// Copies that cannot be made, servers that refuse what the tool asks.
pub(super) async fn measure(plan: &Ready<'_>, rehearsal: &mut Rehearsal) -> Result<Option<String>, RehearsalError> {
    let queries: Vec<HotQuery> = rehearsal
        .queries
        .iter()
        .filter(|query| query.parameters.is_empty() || !query.sets.is_empty())
        .filter(|query| may_write(rehearsal, query))
        .cloned()
        .collect();
    let mut found = without_values(rehearsal);
    if queries.is_empty() && found.is_empty() {
        return Ok(Some("no hot query writes".to_owned()));
    }
    if !queries.is_empty() {
        let copy = plan.copy_with(&SERVER_SETTINGS).await?;
        let before = side(plan, copy, &queries).await?;
        let copy = plan.copy_with(&SERVER_SETTINGS).await?;
        migrate(&copy, rehearsal).await?;
        let after = side(plan, copy, &queries).await?;
        found.extend(pair(before, after));
    }
    let none = found.is_empty().then(|| "no hot query writes".to_owned());
    rehearsal.writes = found;
    Ok(none)
}

/// Applies what is rehearsed, and brings the copy to the state production settles into.
///
/// # Errors
/// A migration that applied on the measured copy and does not here, servers that refuse what the tool asks.
pub(super) async fn migrate(copy: &ScratchDatabase, rehearsal: &Rehearsal) -> Result<(), RehearsalError> {
    let mut superuser = copy.superuser("settle").await?;
    let saved = SavedStatistics::read(&mut superuser).await?;
    apply_again(copy, rehearsal).await?;
    passes::settle_like_measured(&mut superuser, rehearsal, &saved).await?;
    superuser.close().await;
    Ok(())
}

/// Applies what is rehearsed.
///
/// # Errors
/// A migration that applied on the measured copy and does not here.
pub(super) async fn apply_again(copy: &ScratchDatabase, rehearsal: &Rehearsal) -> Result<(), RehearsalError> {
    let applied = apply(&copy.target, &rehearsal.migrations, None, &mut Unwatched).await?;
    match applied.failure {
        Some(failure) => Err(RehearsalError::NotAgain { statement: failure.statement, code: failure.error.code() }),
        None => Ok(()),
    }
}

async fn side(plan: &Ready<'_>, copy: ScratchDatabase, queries: &[HotQuery]) -> Result<Side, RehearsalError> {
    let mut found = Side::new();
    for (mut session, mine) in passes::sessions(&copy, queries).await? {
        for query in mine {
            found.extend(run_query(&mut session, query, &passes::options(plan)).await);
        }
        session.close().await;
    }
    copy.destroy().await?;
    Ok(found)
}

/// The plans captured for a query, at any moment.
fn captures<'a>(rehearsal: &'a Rehearsal, query: &'a str) -> impl Iterator<Item = (&'a PlanKey, &'a Captured)> {
    let moments = [&rehearsal.before, &rehearsal.settled].into_iter().flatten();
    moments
        .flat_map(|snapshot| &snapshot.plans)
        .filter(move |capture| capture.key.query == query)
        .map(|capture| (&capture.key, &capture.captured))
}

/// Whether the query may be one that writes: its plan says so, or it was planned and not run. Running it read-only
/// tells for certain.
fn may_write(rehearsal: &Rehearsal, query: &HotQuery) -> bool {
    captures(rehearsal, &query.name).any(|(key, captured)| {
        let only_planned = matches!(captured, Captured::Planned(_)) && key.mode == PlanMode::Custom;
        only_planned || captured.plan().is_some_and(plan_writes)
    })
}

fn plan_writes(plan: &QueryPlan) -> bool {
    plan.nodes().iter().any(|node| matches!(node.node_type.as_str(), "ModifyTable" | "LockRows"))
}

/// Queries that write and cannot be run: nothing says with which values.
fn without_values(rehearsal: &Rehearsal) -> Vec<WriteCost> {
    rehearsal
        .queries
        .iter()
        .filter(|query| !query.parameters.is_empty() && query.sets.is_empty() && may_write(rehearsal, query))
        .map(|query| WriteCost {
            key: PlanKey { query: query.name.clone(), parameter_set: String::new(), mode: PlanMode::Generic },
            before: None,
            after: None,
            reason: Some("no values are registered for its parameters".to_owned()),
        })
        .collect()
}

/// Both sides of everything that writes on at least one of them.
fn pair(before: Side, mut after: Side) -> Vec<WriteCost> {
    let mut found = Vec::new();
    for (key, before) in before {
        let after = after.remove(&key).unwrap_or(Written::Reads);
        if before == Written::Reads && after == Written::Reads {
            continue;
        }
        let reason = match (&before, &after) {
            (Written::Refused(before), Written::Refused(after)) if before == after => Some(before.clone()),
            (Written::Refused(before), Written::Refused(after)) => {
                Some(format!("before the migration: {before}; after it: {after}"))
            }
            (Written::Refused(before), _) => Some(format!("before the migration: {before}")),
            (_, Written::Refused(after)) => Some(format!("after the migration: {after}")),
            (Written::Reads, _) => Some("it writes only after the migration".to_owned()),
            (_, Written::Reads) => Some("it no longer writes after the migration".to_owned()),
            (Written::Ran(_), Written::Ran(_)) => None,
        };
        let ran = |written| if let Written::Ran(write) = written { Some(write) } else { None };
        found.push(WriteCost { key, before: ran(before), after: ran(after), reason });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(query: &str) -> PlanKey {
        PlanKey { query: query.to_owned(), parameter_set: String::new(), mode: PlanMode::Custom }
    }

    #[test]
    fn a_side_that_did_not_run_is_told_with_its_reason_and_reads_are_left_out() {
        let write = || Written::Ran(Write { wal_bytes: 100, ..Write::default() });
        let refused = || Written::Refused("no".to_owned());
        let before = Side::from([
            (key("both"), write()),
            (key("broken"), refused()),
            (key("broken_later"), write()),
            (key("reads"), Written::Reads),
        ]);
        let after = Side::from([
            (key("both"), write()),
            (key("broken"), refused()),
            (key("broken_later"), refused()),
            (key("reads"), Written::Reads),
        ]);
        let told: Vec<_> = pair(before, after)
            .into_iter()
            .map(|cost| (cost.key.query, cost.before.is_some(), cost.after.is_some(), cost.reason))
            .collect();
        assert_eq!(
            told,
            [
                ("both".to_owned(), true, true, None),
                ("broken".to_owned(), false, false, Some("no".to_owned())),
                ("broken_later".to_owned(), true, false, Some("after the migration: no".to_owned())),
            ]
        );
    }
}
