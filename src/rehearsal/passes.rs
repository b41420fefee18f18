//! The passes of a rehearsal, each on a copy of its own.

use super::compare::{compare, worse_right_after};
use super::{Ready, Rehearsal, RehearsalError, calibrate, command};
use crate::copy::scratch::ScratchDatabase;
use crate::diff::plan::baseline::Baseline;
use crate::engine::ServerError;
use crate::engine::postgres::abilities::Ability;
use crate::engine::postgres::apply::{Failure, apply};
use crate::engine::postgres::explain::{self, CaptureOptions};
use crate::engine::postgres::observe::Observer;
use crate::engine::postgres::session::Session;
use crate::engine::postgres::settle;
use crate::engine::postgres::statistics::SavedStatistics;
use crate::engine::postgres::violators::Counter;
use crate::engine::postgres::{catalog, facts};
use crate::observation::Observation;
use crate::observation::lock::LockMode;
use crate::progress::{Activity, Unit};
use crate::snapshot::catalog::Catalog;
use crate::snapshot::plan::{PlanCapture, RelationName, share};
use crate::snapshot::{Oid, Snapshot};
use crate::workload::HotQuery;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// `disk_full`: of this machine, and so no answer about production.
const DISK_FULL: &str = "53100";

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
    let vacuumed = settle::autovacuumed(&mut superuser).await?;
    super::draw::draw(plan, &copy, &mut superuser, rehearsal).await?;
    let (before, again) = snapshot_twice(plan, &copy, &mut superuser, &rehearsal.queries).await?;
    rehearsal.again = again;
    let saved = SavedStatistics::read(&mut superuser).await?;

    rehearsal.before = Some(before);
    calibrate::calibrate(plan, rehearsal).await;

    let Rehearsal { before: Some(before), observations, migrations, .. } = rehearsal else { return Ok(()) };
    let (target, activity) = (&copy.target, plan.activity.clone());
    let mut observer =
        Observer::new(&target.endpoint, &target.database, &before.catalog, &before.sizes, activity, observations)
            .await?;
    let applied = apply(target, migrations, None, &mut observer).await;
    let finished = observer.finish().await;
    let applied = match applied {
        // As the watchdog would have said, had it looked sooner. The disk of somebody else's server is not ours to budget.
        Err(error) if error.sqlstate == DISK_FULL && plan.base.is_private() => {
            let why =
                "the disk is full: free some space (seatrial clean), or give --cache-dir on a bigger one".to_owned();
            return Err(RehearsalError::OutOfDisk { why });
        }
        applied => applied?,
    };
    finished?;
    rehearsal.failure = applied.failure;
    rehearsal.committed = applied.committed;
    rehearsal.commits = applied.commits;
    rehearsal.applied = applied.migrations;
    command::held_by_the_program(&mut rehearsal.observations, &plan.open_ms);

    let catalog = Arc::new(read_as_large_as_before(&copy, &mut superuser, rehearsal).await?);
    let touched = touched(rehearsal, &catalog);
    let written = written(rehearsal, &catalog, &touched);
    let right_after = snapshot(plan, &copy, &mut superuser, rehearsal, (catalog, &written)).await?;
    // VACUUM and statistics leave the schema as it is.
    let catalog = Arc::clone(&right_after.catalog);
    rehearsal.right_after = Some(right_after);
    settle::vacuum(&mut superuser, &written).await?;
    let missing = settle::Missing::of(&mut superuser, &touched, &saved).await?;
    if !missing.is_nothing() {
        let worse = worse_right_after(plan, rehearsal);
        let captures = capture(&copy, &worse, &options(plan), &plan.activity).await?;
        rehearsal.vacuumed = captures;
        rehearsal.repaired = missing.repair(&mut superuser, &saved).await?;
    }
    let mut settled = snapshot(plan, &copy, &mut superuser, rehearsal, (catalog, &written)).await?;
    share(&mut settled.plans, rehearsal.right_after.as_ref().map_or(&[], |right_after| &right_after.plans));
    rehearsal.settled = Some(settled);
    let later = settle::autovacuumed(&mut superuser).await?;
    rehearsal.disturbed = later.difference(&vacuumed).map(|(table, _)| table.clone()).collect();
    superuser.close().await;
    copy.destroy().await?;
    compare(plan, rehearsal);
    Ok(())
}

/// Relations that take far longer to read than a session to open: some hundred milliseconds.
const MANY_RELATIONS: usize = 1000;

/// The schema, in two sessions where it was a large one before.
async fn read_as_large_as_before(
    copy: &ScratchDatabase,
    superuser: &mut Session,
    rehearsal: &Rehearsal,
) -> Result<Catalog, ServerError> {
    let many = |before: &Snapshot| before.catalog.relations.len() >= MANY_RELATIONS;
    if !(superuser.abilities.has(Ability::PrivateServer) && rehearsal.before.as_ref().is_some_and(many)) {
        return catalog::read(superuser).await;
    }
    let mut beside = copy.superuser("snapshot").await?;
    let read = catalog::read_in_two(superuser, &mut beside).await;
    beside.close().await;
    read
}

/// How hot queries are planned and run.
pub(super) fn options(plan: &Ready<'_>) -> CaptureOptions<'static> {
    let statement_timeout = Duration::from_millis(plan.settings.thresholds.query_ms);
    CaptureOptions { statement_timeout, ..CaptureOptions::default() }
}

/// Everything there is to see before anything is changed, and the hot queries once more.
async fn snapshot_twice(
    plan: &Ready<'_>,
    copy: &ScratchDatabase,
    superuser: &mut Session,
    queries: &[HotQuery],
) -> Result<(Snapshot, Vec<PlanCapture>), ServerError> {
    let kept = plan.kept();
    let catalog = catalog::read_kept(superuser, &kept).await?;
    let sizes = catalog::read_sizes_kept(superuser, &kept).await?;
    let (mut plans, mut again) = (Vec::new(), Vec::new());
    let counter = plan.activity.count("planned", Unit::Things("query"), Some(queries.len() as u64));
    for (mut session, mine) in sessions(copy, queries).await? {
        let each = mine.iter().copied().inspect(|_| counter.add(1));
        let first = explain::capture(&mut session, each, &options(plan)).await;
        let once_more = CaptureOptions { again: Some(&first), ..options(plan) };
        again.extend(explain::capture(&mut session, mine, &once_more).await);
        plans.extend(first);
        session.close().await;
    }
    share(&mut again, &plans);
    Ok((Snapshot { catalog: Arc::new(catalog), sizes, plans }, again))
}

/// Everything there is to see now, the schema being known, and the tables that may have another size than before. Hot queries
/// that nothing was done to are planned and not run.
async fn snapshot(
    plan: &Ready<'_>,
    copy: &ScratchDatabase,
    superuser: &mut Session,
    rehearsal: &Rehearsal,
    (catalog, written): (Arc<Catalog>, &BTreeSet<Oid>),
) -> Result<Snapshot, ServerError> {
    let sizes = match &rehearsal.before {
        // What commits on its way was seen from outside alone: it may have done more than was seen.
        Some(before) if rehearsal.observations.iter().all(seen_whole) => {
            catalog::read_sizes_since(superuser, written, &before.sizes).await?
        }
        _ => catalog::read_sizes(superuser).await?,
    };
    let baseline = rehearsal
        .before
        .as_ref()
        .map(|before| Baseline::new(before, &rehearsal.queries, worked_on(rehearsal, &catalog)));
    let queries: Vec<&HotQuery> = rehearsal.queries.iter().collect();
    let options = CaptureOptions { baseline: baseline.as_ref(), ..options(plan) };
    let plans = capture(copy, &queries, &options, &plan.activity).await?;
    Ok(Snapshot { catalog, sizes, plans })
}

/// The plans of some queries.
pub(super) async fn capture(
    copy: &ScratchDatabase,
    queries: &[&HotQuery],
    options: &CaptureOptions<'_>,
    activity: &Activity,
) -> Result<Vec<PlanCapture>, ServerError> {
    let mut plans = Vec::new();
    let counter = activity.count("planned", Unit::Things("query"), Some(queries.len() as u64));
    for (mut session, mine) in sessions(copy, queries.iter().copied()).await? {
        let mine = mine.into_iter().inspect(|_| counter.add(1));
        plans.extend(explain::capture(&mut session, mine, options).await);
        session.close().await;
    }
    Ok(plans)
}

/// One session for each role, as each would see its own rows under row-level security, and its queries.
pub(super) async fn sessions<'a>(
    copy: &ScratchDatabase,
    queries: impl IntoIterator<Item = &'a HotQuery>,
) -> Result<Vec<(Session, Vec<&'a HotQuery>)>, ServerError> {
    let mut by_role: BTreeMap<Option<&str>, Vec<&HotQuery>> = BTreeMap::new();
    for query in queries {
        by_role.entry(query.role.as_deref()).or_default().push(query);
    }
    let mut sessions = Vec::new();
    for (role, mine) in by_role {
        sessions.push((copy.target.session_as(role.unwrap_or(&copy.target.role), "hot queries").await?, mine));
    }
    Ok(sessions)
}

/// Tables whose rows or files the migration changed, under the names they have now.
fn worked_on(rehearsal: &Rehearsal, now: &Catalog) -> BTreeSet<RelationName> {
    let mut tables = with_other_rows(rehearsal);
    for observation in &rehearsal.observations {
        let rebuilt = observation.indexes_built.iter().filter(|work| !work.created_in_run);
        tables.extend(rebuilt.map(|work| work.heap));
        // It may have done more than was seen.
        if !seen_whole(observation) {
            let locked = observation.locks.iter().filter(|lock| lock.mode >= LockMode::RowExclusive);
            tables.extend(locked.map(|lock| lock.relation));
        }
    }
    let within = now.relations.values().filter(|relation| now.is_within(relation.oid, &tables));
    within.map(|relation| RelationName::new(&relation.schema, &relation.name)).collect()
}

/// Tables the migration was seen to write rows of.
fn with_other_rows(rehearsal: &Rehearsal) -> BTreeSet<Oid> {
    let observations = rehearsal.observations.iter();
    let work = observations.flat_map(|seen| [&seen.rewritten, &seen.changed, &seen.inserted, &seen.deleted]);
    work.flatten().map(|work| work.heap).collect()
}

/// Those of `touched` tables whose files may be others: a column more in the catalog alone changes no size, and leaves
/// nothing to VACUUM in thousands of partitions.
fn written(rehearsal: &Rehearsal, now: &Catalog, touched: &BTreeSet<Oid>) -> BTreeSet<Oid> {
    let Some(before) = &rehearsal.before else { return touched.clone() };
    // Rows of a statement that failed are not counted, and their room stays.
    if rehearsal.failure.is_some() || !rehearsal.observations.iter().all(seen_whole) {
        return touched.clone();
    }
    let mut tables = with_other_rows(rehearsal);
    let file = |oid: &Oid| before.catalog.relations.get(oid).map(|relation| relation.filenode);
    let others = now.relations.iter().filter(|(oid, relation)| file(oid) != Some(relation.filenode));
    tables.extend(others.map(|(oid, _)| now.indexes.get(oid).map_or(*oid, |index| index.table)));
    touched.iter().copied().filter(|oid| now.is_within(*oid, &tables)).collect()
}

/// Tables whose rows or files the migrations changed, as far as they may have changed anything, by the catalog after them.
pub(super) fn written_tables(rehearsal: &Rehearsal, after: &Catalog) -> BTreeSet<Oid> {
    written(rehearsal, after, &touched(rehearsal, after))
}

/// Whether nothing of a statement can have escaped those who watched: what commits on its way is seen from outside alone.
fn seen_whole(observation: &Observation) -> bool {
    !observation.committed_within && observation.locks.iter().all(|lock| lock.exact)
}

/// Tables the migration may have changed: whatever it locked more than a reader would.
fn touched(rehearsal: &Rehearsal, catalog: &Catalog) -> BTreeSet<Oid> {
    let locked: BTreeSet<Oid> = rehearsal
        .observations
        .iter()
        .flat_map(|observation| &observation.locks)
        .filter(|lock| lock.mode >= LockMode::RowExclusive)
        .map(|lock| lock.relation)
        .collect();
    let created =
        |oid: &Oid| rehearsal.before.as_ref().is_some_and(|before| !before.catalog.relations.contains_key(oid));
    catalog.relations.keys().copied().filter(|oid| catalog.is_within(*oid, &locked) || created(oid)).collect()
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

/// Brings another copy, on which everything pending is applied, to the state the measured one settled into. `saved`: what
/// it had before.
pub(super) async fn settle_like_measured(
    superuser: &mut Session,
    rehearsal: &Rehearsal,
    saved: &SavedStatistics,
) -> Result<(), ServerError> {
    let catalog = catalog::read(superuser).await?;
    let touched = touched(rehearsal, &catalog);
    settle::vacuum(superuser, &written(rehearsal, &catalog, &touched)).await?;
    settle::repair_statistics(superuser, &touched, saved).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::RelationWork;
    use crate::report::redact::Redactor;
    use crate::snapshot::catalog::{Index, Relation, RelationKind};

    fn relation(oid: Oid, kind: RelationKind, parent: Option<Oid>, filenode: Oid) -> Relation {
        let plain = Relation::new(oid, "public", &format!("r{oid}"), kind);
        Relation { parent, is_partition: parent.is_some(), filenode, ..plain }
    }

    /// Table 1; partitioned table 2 with partition 3.
    fn catalog() -> Catalog {
        let relations = [
            relation(1, RelationKind::Table, None, 11),
            relation(2, RelationKind::PartitionedTable, None, 0),
            relation(3, RelationKind::Table, Some(2), 13),
        ];
        Catalog { relations: relations.map(|each| (each.oid, each)).into(), ..Catalog::default() }
    }

    fn rehearsed(observation: Observation) -> Rehearsal {
        let mut rehearsal = Rehearsal::new(Redactor::default(), Vec::new());
        let before = Snapshot { catalog: catalog().into(), sizes: BTreeMap::new(), plans: Vec::new() };
        (rehearsal.before, rehearsal.observations) = (Some(before), vec![observation]);
        rehearsal
    }

    #[test]
    fn what_was_only_locked_is_neither_sized_nor_vacuumed_again() {
        let touched = BTreeSet::from([1, 2, 3]);
        let nothing = || Observation::of_nothing(1);
        let found = |observation, now: &Catalog| {
            written(&rehearsed(observation), now, &touched).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(found(nothing(), &catalog()), Vec::<Oid>::new());

        let work = |heap: Oid| RelationWork {
            relation: heap,
            name: format!("public.r{heap}"),
            table: format!("public.r{heap}"),
            heap,
            rows: 5,
            created_in_run: false,
        };
        let inserted = |heap| Observation { inserted: vec![work(heap)], ..nothing() };
        assert_eq!(found(inserted(1), &catalog()), [1]);
        assert_eq!(found(inserted(2), &catalog()), [2, 3], "with its partitions");

        let mut rewritten = catalog();
        rewritten.relations.entry(3).and_modify(|partition| partition.filenode = 99);
        assert_eq!(found(nothing(), &rewritten), [3]);
        let mut indexed = catalog();
        indexed.relations.insert(4, relation(4, RelationKind::Index, None, 14));
        let index = Index {
            oid: 4,
            table: 1,
            definition: String::new(),
            shape: String::new(),
            keys: vec!["a".to_owned()],
            key_count: 1,
            unique: false,
            primary: false,
            valid: true,
            constraint: None,
            predicate: None,
            method: "btree".to_owned(),
        };
        indexed.indexes.insert(4, index);
        assert_eq!(found(nothing(), &indexed), [1], "the table of a new index");

        assert_eq!(found(Observation { committed_within: true, ..nothing() }, &catalog()), [1, 2, 3]);
        let mut failed = rehearsed(nothing());
        failed.failure = Some(Failure { statement: 1, error: ServerError::default() });
        assert_eq!(written(&failed, &catalog(), &touched), touched, "what failed may have left its room");
    }
}
