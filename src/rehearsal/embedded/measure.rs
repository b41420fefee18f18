//! The measure pass: snapshot, apply with one observation a statement, snapshot right after, settle, snapshot; compare.

use super::super::compare;
use super::Begun;
use crate::copy::sqlite::scratch::Scratch;
use crate::engine::ServerError;
use crate::engine::applied::Applied;
use crate::engine::sqlite::apply::{Target, apply};
use crate::engine::sqlite::connection::{self, Purpose, Stop};
use crate::engine::sqlite::explain::{self, Options};
use crate::engine::sqlite::observe::Observer;
use crate::engine::sqlite::statistics::Saved;
use crate::engine::sqlite::{checks, digest, facts, schema, sizes, statistics, worker};
use crate::migration::Migration;
use crate::observation::Observation;
use crate::observation::embedded::Checks;
use crate::progress::Activity;
use crate::rehearsal::{EmbeddedFacts, Rehearsal, RehearsalError};
use crate::snapshot::Snapshot;
use crate::snapshot::plan::PlanCapture;
use crate::snapshot::sqlite::Schema;
use crate::snapshot::sqlite::catalog::catalog;
use crate::snapshot::sqlite::identity::Identities;
use crate::workload::HotQuery;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything one run on one copy shows.
struct Measured {
    version: String,
    settings: BTreeMap<String, String>,
    before: Snapshot,
    again: Vec<PlanCapture>,
    applied: Applied,
    observations: Vec<Observation>,
    right_after: Snapshot,
    settled: Snapshot,
    facts: EmbeddedFacts,
}

/// What it works with.
struct Work {
    target: Target,
    migrations: Vec<Migration>,
    queries: Vec<HotQuery>,
    options: Options,
    activity: Activity,
    checks_before: Checks,
}

pub(super) async fn measure(begun: &Begun<'_>, copy: Scratch, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let work = Work {
        target: begun.target(&copy),
        migrations: rehearsal.migrations.clone(),
        queries: rehearsal.queries.clone(),
        options: options(begun),
        activity: begun.plan.activity.clone(),
        checks_before: begun.plan.base.record.checks.clone(),
    };
    let measured = worker::run(move |stop| run(work, stop)).await?;
    drop(copy);
    rehearsal.engine_version = measured.version;
    rehearsal.engine_settings = measured.settings;
    rehearsal.before = Some(measured.before);
    rehearsal.again = measured.again;
    rehearsal.observations = measured.observations;
    rehearsal.failure = measured.applied.failure;
    rehearsal.committed = measured.applied.committed;
    rehearsal.commits = measured.applied.commits;
    rehearsal.applied = measured.applied.migrations;
    rehearsal.right_after = Some(measured.right_after);
    rehearsal.settled = Some(measured.settled);
    let oldest_version = begun.plan.settings.sqlite.version;
    rehearsal.embedded = Some(EmbeddedFacts { oldest_version, ..measured.facts });
    compare::compare(begun.plan, rehearsal);
    Ok(())
}

/// How hot queries are planned and run.
pub(super) fn options(begun: &Begun<'_>) -> Options {
    let timeout = Duration::from_millis(begun.plan.settings.thresholds.query_ms);
    Options { timeout, ..Options::default() }
}

fn run(work: Work, stop: &Stop) -> Result<Measured, RehearsalError> {
    let path = &work.target.path;
    let queries: Vec<&HotQuery> = work.queries.iter().collect();
    let looking = connection::open(path, Purpose::Observer, stop)?;
    let (version, mut settings) = facts::read(&looking)?;
    let schema = schema::read(&looking)?;
    let mut identities = Identities::of(&schema);
    let first = Snapshot {
        catalog: catalog(&schema, &mut identities).into(),
        sizes: sizes::read(&looking, &schema, &identities)?,
        plans: explain::capture(&looking, &schema, &queries, &work.options, stop)?,
    };
    let again = explain::capture_again(&looking, &schema, &queries, &work.options, &first.plans, stop)?;
    let saved = Saved::read(&looking)?;
    let statistics_before = statistics::listed(&looking)?;
    let tables_before = digest::statistics(&looking)?;
    drop(looking);

    let mut observer = Observer::new(schema.clone(), identities.clone(), first.sizes.clone(), work.activity.clone());
    let applied = apply(&work.target, &work.migrations, None, stop, &mut observer)?;
    // As the runner's connection begins: a migration may switch it off for itself, and on again.
    let foreign_keys = observer.observations.iter().find_map(|each| each.embedded.as_ref());
    let foreign_keys = foreign_keys.map_or(work.target.foreign_keys.unwrap_or(false), |each| each.foreign_keys);
    settings.insert("foreign_keys".to_owned(), if foreign_keys { "on" } else { "off" }.to_owned());

    let looking = connection::open(path, Purpose::Observer, stop)?;
    let after = schema::read(&looking)?;
    // What the runner noted down, and what only now can be told: tables that took the place of others.
    observer.identities.follow(&observer.schema, &after);
    let mut numbers = observer.identities.rebuilt(&identities);
    let right_after = snapshot(&looking, &after, &mut numbers, &queries, &work, stop)?;
    let statistics_after = statistics::listed(&looking)?;
    let tables_after = digest::statistics(&looking)?;
    let checks_after = checks::run(&looking)?;
    drop(looking);

    let writing = connection::open(path, Purpose::Migration { foreign_keys: false }, stop)?;
    statistics::settle(&writing, &saved, &schema, &after)?;
    drop(writing);
    let looking = connection::open(path, Purpose::Observer, stop)?;
    let settled = snapshot(&looking, &after, &mut numbers, &queries, &work, stop)?;
    let facts = EmbeddedFacts {
        before: schema,
        after,
        numbers_before: identities,
        numbers_after: numbers,
        checks_before: work.checks_before,
        checks_after: Some(checks_after),
        statistics_before,
        statistics_after,
        statistics_tables: (tables_before, tables_after),
        steps: observer.steps,
        foreign_keys,
        oldest_version: None,
    };
    Ok(Measured {
        version,
        settings,
        before: first,
        again,
        applied,
        observations: observer.observations,
        right_after,
        settled,
        facts,
    })
}

fn snapshot(
    connection: &Connection,
    schema: &Schema,
    numbers: &mut Identities,
    queries: &[&HotQuery],
    work: &Work,
    stop: &Stop,
) -> Result<Snapshot, ServerError> {
    Ok(Snapshot {
        catalog: catalog(schema, numbers).into(),
        sizes: sizes::read(connection, schema, numbers)?,
        plans: explain::capture(connection, schema, queries, &work.options, stop)?,
    })
}
