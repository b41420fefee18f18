//! The passes of a rehearsal, each on a copy of its own.

use super::ground::Ground;
use super::{Destroyed, IndexEntry, Plan, PlanChange, Rehearsal, RehearsalError};
use crate::copy::scratch::ScratchDatabase;
use crate::diff;
use crate::diff::catalog::CatalogChange;
use crate::diff::plan::render::Values;
use crate::engine::ServerError;
use crate::engine::postgres::apply::{Failure, apply};
use crate::engine::postgres::attribute::Attributor;
use crate::engine::postgres::explain::{self, CaptureOptions};
use crate::engine::postgres::observe::Observer;
use crate::engine::postgres::schema_dump::schema_text;
use crate::engine::postgres::session::Session;
use crate::engine::postgres::settle::settle;
use crate::engine::postgres::violators::Counter;
use crate::engine::postgres::{catalog, count, facts};
use crate::migration::script::{StatementKind, kind};
use crate::migration::{Migration, TransactionMode};
use crate::observation::RelationWork;
use crate::observation::lock::LockMode;
use crate::rollback::generate::{ChangedTable, Input, generate};
use crate::rollback::prove::ProveOptions;
use crate::rollback::{self, Rollback, RollbackError};
use crate::snapshot::catalog::{RelationKind, qualify_column};
use crate::snapshot::{Oid, Snapshot};
use crate::workload::HotQuery;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Snapshot, apply with one observation a statement, snapshot right after, settle, snapshot; then compare.
pub(super) async fn measure(
    plan: &Plan<'_>,
    copy: ScratchDatabase,
    rehearsal: &mut Rehearsal,
) -> Result<(), RehearsalError> {
    let mut superuser = copy.superuser("snapshot").await?;
    (rehearsal.engine_version, rehearsal.engine_settings) = facts::engine(&mut superuser).await?;
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
    plan: &Plan<'_>,
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
fn touched(rehearsal: &Rehearsal, after: &Snapshot) -> BTreeSet<Oid> {
    let locked: BTreeSet<Oid> = rehearsal
        .observations
        .iter()
        .flat_map(|observation| &observation.locks)
        .filter(|lock| lock.mode >= LockMode::RowExclusive)
        .map(|lock| lock.relation)
        .collect();
    let created =
        |oid: &Oid| rehearsal.before.as_ref().is_some_and(|before| !before.catalog.relations.contains_key(oid));
    // Locks are grouped under the topmost parent: its partitions belong to it, however deep.
    let under_lock = |oid: Oid| {
        let mut next = Some(oid);
        while let Some(relation) = next.and_then(|oid| after.catalog.relations.get(&oid)) {
            if locked.contains(&relation.oid) {
                return true;
            }
            next = relation.parent.filter(|_| relation.is_partition);
        }
        false
    };
    after.catalog.relations.keys().copied().filter(|oid| under_lock(*oid) || created(oid)).collect()
}

/// Before against after, without a database.
fn compare(plan: &Plan<'_>, rehearsal: &mut Rehearsal) {
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
pub(super) async fn count_violators(plan: &Plan<'_>, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
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
pub(super) async fn attribute(plan: &Plan<'_>, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
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

/// Counts what goes, writes the scripts, then runs them: is everything as before?
pub(super) async fn prove(plan: &Plan<'_>, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let copy = plan.copy().await?;
    count_destroyed(&copy, rehearsal).await?;
    let dump = schema_text(&plan.base.binaries, &copy.target.endpoint, &copy.target.database)
        .await
        .map_err(|error| RollbackError::Dump(error.to_string()))?;
    let (Some(before), Some(after)) = (&rehearsal.before, &rehearsal.right_after) else { return Ok(()) };
    let applied: Vec<&Migration> = rehearsal.migrations.iter().take(rehearsal.applied).collect();
    // The runner's rows go in the order opposite to the one they came in.
    let history: Vec<String> =
        applied.iter().rev().filter_map(|each| each.history.as_ref()).map(|history| history.undo.clone()).collect();
    let title: Vec<String> = applied.iter().map(|each| format!("{} {}", each.version, each.name)).collect();
    let changed = changed_tables(rehearsal);
    let scripts = generate(&Input {
        before: &before.catalog,
        after: &after.catalog,
        dump_before: &dump,
        history: &history,
        changed: &changed,
        title: &title.join(", "),
    });
    let options = ProveOptions { tables: touched_names(plan, rehearsal, before) };
    let mut ground = Ground { plan, migrations: &rehearsal.migrations, first: Some(copy) };
    let proof = rollback::prove::prove(&mut ground, &scripts, &options).await?;
    rehearsal.rollback = Some(Rollback { scripts, proof: Some(proof) });
    Ok(())
}

/// What the migration did to the rows of tables that were there before, added up over its statements.
fn changed_tables(rehearsal: &Rehearsal) -> Vec<ChangedTable> {
    let mut tables: BTreeMap<&str, ChangedTable> = BTreeMap::new();
    let committed = rehearsal.observations.iter().filter(|each| rehearsal.committed.contains(&each.statement));
    for observation in committed {
        let rows = |works: &[RelationWork], name: &str| -> u64 {
            works.iter().filter(|work| work.name == name).map(|work| work.rows).sum()
        };
        let works = observation.changed.iter().chain(&observation.inserted).chain(&observation.deleted);
        let names: BTreeSet<&str> = works.filter(|work| !work.created_in_run).map(|work| work.name.as_str()).collect();
        for name in names {
            let table =
                tables.entry(name).or_insert_with(|| ChangedTable { name: name.to_owned(), ..Default::default() });
            let deleted = rows(&observation.deleted, name);
            table.inserted += rows(&observation.inserted, name);
            table.deleted += deleted;
            table.updated += rows(&observation.changed, name).saturating_sub(deleted);
        }
    }
    tables.into_values().collect()
}

/// Below this size the proof compares every table: it takes no longer than deciding.
const SMALL_DATABASE: u64 = 64 << 20;

/// Names, before, of the tables whose values the proof compares; `None` for all of them, which is also right where
/// something ran that could commit halfway and let go of its locks before anybody saw them.
fn touched_names(plan: &Plan<'_>, rehearsal: &Rehearsal, before: &Snapshot) -> Option<BTreeSet<String>> {
    let bare =
        |migration: &&Migration| matches!(migration.transaction, TransactionMode::None | TransactionMode::Explicit);
    let unseen = rehearsal
        .migrations
        .iter()
        .filter(bare)
        .flat_map(|migration| &migration.statements)
        .any(|statement| matches!(kind(statement.sql()), StatementKind::Do | StatementKind::Call));
    if unseen || plan.base.record.bytes < SMALL_DATABASE {
        return None;
    }
    let touched = touched(rehearsal, before);
    let names = touched.iter().filter_map(|oid| before.catalog.relations.get(oid));
    Some(names.map(|relation| relation.qualified.clone()).collect())
}

/// Counts what the migration takes away, on a copy it has not touched.
async fn count_destroyed(copy: &ScratchDatabase, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let mut found = Vec::new();
    let mut superuser = copy.superuser("count").await?;
    for change in &rehearsal.changes {
        let (relation, table, column) = match change {
            CatalogChange::RelationDropped {
                relation,
                name,
                kind: RelationKind::Table | RelationKind::PartitionedTable,
                replaced: false,
            } => (*relation, name, None),
            CatalogChange::ColumnDropped { relation, table, column, .. } => (*relation, table, Some(column)),
            _ => continue,
        };
        let rows = count::values(&mut superuser, relation, column.map(String::as_str)).await?;
        let bare = table.rsplit('.').next().unwrap_or(table).trim_matches('"');
        found.push(Destroyed {
            object: column.map_or_else(|| table.clone(), |column| qualify_column(table, column)),
            table: table.clone(),
            what: if column.is_some() { "column" } else { "table" },
            rows,
            statement: super::cause::statement_for(rehearsal, Some(relation), &[column.map_or(bare, String::as_str)]),
        });
    }
    superuser.close().await;
    for observation in rehearsal.observations.iter().filter(|each| rehearsal.committed.contains(&each.statement)) {
        let truncate = rehearsal.sql(observation.statement).is_some_and(|sql| kind(sql) == StatementKind::Truncate);
        found.extend(observation.deleted.iter().filter(|work| !work.created_in_run).map(|work| Destroyed {
            object: work.name.clone(),
            table: work.table.clone(),
            what: if truncate { "truncated rows" } else { "deleted rows" },
            rows: work.rows,
            statement: Some(observation.statement),
        }));
    }
    rehearsal.destroyed = found;
    Ok(())
}
