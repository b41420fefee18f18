//! The passes of a rehearsal, each on a copy of its own.

use super::{IndexEntry, PlanChange, Ready, Rehearsal, RehearsalError};
use crate::copy::scratch::ScratchDatabase;
use crate::diff;
use crate::diff::plan::render::Values;
use crate::engine::ServerError;
use crate::engine::postgres::apply::{Failure, apply};
use crate::engine::postgres::attribute::Attributor;
use crate::engine::postgres::explain::{self, CaptureOptions};
use crate::engine::postgres::observe::Observer;
use crate::engine::postgres::session::Session;
use crate::engine::postgres::settle::settle;
use crate::engine::postgres::violators::Counter;
use crate::engine::postgres::{catalog, facts};
use crate::observation::lock::LockMode;
use crate::snapshot::{Oid, Snapshot};
use crate::workload::HotQuery;
use std::collections::BTreeSet;
use std::time::Duration;

/// Snapshot, apply with one observation a statement, snapshot right after, settle, snapshot; then compare.
pub(super) async fn measure(
    plan: &Ready<'_>,
    copy: ScratchDatabase,
    rehearsal: &mut Rehearsal,
) -> Result<(), RehearsalError> {
    let mut superuser = copy.superuser("snapshot").await?;
    // As the role that runs migrations and hot queries has them.
    let mut session = copy.target.session("settings").await?;
    (rehearsal.engine_version, rehearsal.engine_settings) = facts::engine(&mut session).await?;
    session.close().await;
    let before = snapshot(plan, &copy, &mut superuser, &rehearsal.queries).await?;

    let Rehearsal { before: told, observations, migrations, .. } = rehearsal;
    let before = told.insert(before);
    let (target, activity) = (&copy.target, plan.activity.clone());
    let mut observer =
        Observer::new(&target.endpoint, &target.database, &before.catalog, &before.sizes, activity, observations)
            .await?;
    let applied = apply(target, migrations, None, &mut observer).await;
    observer.finish().await?;
    let applied = applied?;
    rehearsal.failure = applied.failure;
    rehearsal.committed = applied.committed;
    rehearsal.applied = applied.migrations;

    let right_after = snapshot(plan, &copy, &mut superuser, &rehearsal.queries).await?;
    settle(&mut superuser, &touched(rehearsal, &right_after)).await?;
    rehearsal.right_after = Some(right_after);
    rehearsal.settled = Some(snapshot(plan, &copy, &mut superuser, &rehearsal.queries).await?);
    superuser.close().await;
    copy.destroy().await?;
    compare(plan, rehearsal);
    Ok(())
}

/// Everything there is to see at this moment.
async fn snapshot(
    plan: &Ready<'_>,
    copy: &ScratchDatabase,
    superuser: &mut Session,
    queries: &[HotQuery],
) -> Result<Snapshot, ServerError> {
    let catalog = catalog::read(superuser).await?;
    let sizes = catalog::read_sizes(superuser).await?;
    let options = CaptureOptions {
        statement_timeout: Duration::from_millis(plan.settings.thresholds.query_ms),
        ..CaptureOptions::default()
    };
    let mut plans = Vec::new();
    // One session for each role, as each would see its own rows under row-level security.
    let roles: BTreeSet<Option<&str>> = queries.iter().map(|query| query.role.as_deref()).collect();
    for role in roles {
        let mut session = copy.target.session_as(role.unwrap_or(&copy.target.role), "hot queries").await?;
        let mine: Vec<&HotQuery> = queries.iter().filter(|query| query.role.as_deref() == role).collect();
        plans.extend(explain::capture(&mut session, mine, &options).await);
        session.close().await;
    }
    Ok(Snapshot { catalog, sizes, plans })
}

/// Tables the migration may have changed: whatever it locked more than a reader would.
pub(super) fn touched(rehearsal: &Rehearsal, after: &Snapshot) -> BTreeSet<Oid> {
    let locked: BTreeSet<Oid> = rehearsal
        .observations
        .iter()
        .flat_map(|observation| &observation.locks)
        .filter(|lock| lock.mode >= LockMode::RowExclusive)
        .map(|lock| lock.relation)
        .collect();
    let created =
        |oid: &Oid| rehearsal.before.as_ref().is_some_and(|before| !before.catalog.relations.contains_key(oid));
    let catalog = &after.catalog;
    catalog.relations.keys().copied().filter(|oid| catalog.is_within(*oid, &locked) || created(oid)).collect()
}

/// Before against after, without a database.
fn compare(plan: &Ready<'_>, rehearsal: &mut Rehearsal) {
    let (Some(before), Some(right_after), Some(settled)) =
        (&rehearsal.before, &rehearsal.right_after, &rehearsal.settled)
    else {
        return;
    };
    rehearsal.changes = diff::catalog::compare(&before.catalog, &right_after.catalog);
    let indexes = diff::index::compare_indexes(before, settled);
    let thresholds = &plan.settings.thresholds;
    let thresholds = diff::plan::verdict::Thresholds {
        buffers_ratio: thresholds.plan_ratio,
        buffers_floor: thresholds.plan_blocks,
        ..Default::default()
    };
    let moments = diff::plan::Moments { before, again: None, right_after: Some(right_after), settled: Some(settled) };
    let values = if plan.settings.show_values { Values::Shown } else { Values::Redacted };
    let diffs = diff::plan::compare_plans(moments, &rehearsal.queries, &thresholds, values);
    rehearsal.indexes = indexes
        .into_iter()
        .map(|change| IndexEntry { statement: super::cause::statement_of_index(rehearsal, &change), change })
        .collect();
    rehearsal.plans = diffs.into_iter().map(|diff| PlanChange { diff, cause: super::Cause::default() }).collect();
}

/// On a fresh copy, up to the failing statement, and there counts what keeps it from running.
pub(super) async fn count_violators(plan: &Ready<'_>, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let Some(Failure { statement, error }) = rehearsal.failure.clone() else { return Ok(()) };
    if !matches!(error.sqlstate.as_str(), "23502" | "23503" | "23505" | "23514") {
        return Ok(());
    }
    plan.progress.say("counting the rows in its way …");
    let copy = plan.copy().await?;
    let mut counter = Counter { statement, error, found: None };
    apply(&copy.target, &rehearsal.migrations, Some(statement), &mut counter).await?;
    rehearsal.violators = counter.found;
    copy.destroy().await?;
    Ok(())
}

/// Statement by statement on a fresh copy: after which one did each changed plan change?
pub(super) async fn attribute(plan: &Ready<'_>, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let changed: BTreeSet<&str> = rehearsal
        .plans
        .iter()
        .filter(|change| change.needs_cause())
        .map(|change| change.diff.key.query.as_str())
        .collect();
    let queries: Vec<HotQuery> =
        rehearsal.queries.iter().filter(|query| changed.contains(query.name.as_str())).cloned().collect();
    let copy = plan.copy().await?;
    let mut attributor = Attributor::new(&queries);
    let last = rehearsal.observations.last().map(|observation| observation.statement);
    apply(&copy.target, &rehearsal.migrations, last, &mut attributor).await?;
    copy.destroy().await?;
    super::cause::assign(rehearsal, &attributor.steps);
    Ok(())
}
