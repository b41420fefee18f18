//! What the application feels: the hot queries run from other sessions while the migration is applied to a copy of its
//! own, by itself (`traffic`) or behind transactions that are open already (`queue`).

use super::{Ready, Rehearsal, RehearsalError};
use crate::engine::postgres::server::{MAX_CONNECTIONS, RESERVED_CONNECTIONS};
use crate::engine::postgres::session::quote_identifier;
use crate::engine::postgres::traffic::{Caller, Holder, Opened, Seen, alone, beside};
use crate::observation::lock::LockMode;
use crate::observation::traffic::{Lane, Traffic, felt, step_of};
use crate::report::human;
use crate::report::v1::PassName;
use crate::snapshot::Oid;
use crate::snapshot::catalog::{Catalog, Relation, RelationKind};
use crate::workload::HotQuery;
use std::collections::BTreeMap;
use std::time::Duration;

/// Tables a transaction is opened on, the largest first: each may make the migration wait once more.
const HELD_TABLES: usize = 5;

/// Queries that are called, those of the greatest weight first: each has a session of its own.
const CALLED: usize = 200;

/// From this lock on a transaction of others is put in front of a table.
const HELD: LockMode = LockMode::ShareUpdateExclusive;

/// From this lock on rows of a table are read and written where no hot query is registered.
const CALLED_FROM: LockMode = LockMode::RowExclusive;

/// Connections a copy needs besides those of hot queries.
const OTHERS: usize = 20;

/// Why a pass would show nothing.
pub(super) fn nothing_to_call(name: PassName, rehearsal: &Rehearsal) -> Option<&'static str> {
    let untouched = |least| touched(rehearsal, least).is_empty();
    match name {
        PassName::Queue => untouched(HELD).then_some("no table is locked"),
        _ => (rehearsal.queries.is_empty() && untouched(CALLED_FROM))
            .then_some("no hot query is registered, and no table is locked"),
    }
}

/// Runs the migration beside the hot queries, and nothing else.
pub(super) async fn traffic(plan: &Ready<'_>, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let seen = run(plan, rehearsal, &[]).await?;
    note_left_out(rehearsal, "traffic", &seen);
    rehearsal.traffic = Some(seen);
    Ok(())
}

/// The same behind one transaction on each table that the migration locks.
pub(super) async fn queue(plan: &Ready<'_>, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let mut tables = touched(rehearsal, HELD);
    if tables.len() > HELD_TABLES {
        let left = human::plural(tables.len() - HELD_TABLES, "table");
        rehearsal.query_notes.push(format!(
            "queue: a transaction was open on each of the {HELD_TABLES} largest tables that are locked, not on {left} besides"
        ));
        tables.truncate(HELD_TABLES);
    }
    let seen = run(plan, rehearsal, &tables).await?;
    if rehearsal.traffic.is_none() {
        note_left_out(rehearsal, "queue", &seen);
    }
    rehearsal.queue = Some(seen);
    Ok(())
}

/// Queries that could not be called, those of one reason together.
pub(super) fn note_left_out(rehearsal: &mut Rehearsal, pass: &str, seen: &Traffic) {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (query, why) in &seen.left_out {
        reasons.entry(why).or_default().push(query);
    }
    let notes = reasons.iter().map(|(why, queries)| format!("{pass}: {} not called: {why}", queries.join(", ")));
    rehearsal.query_notes.extend(notes);
}

async fn run(plan: &Ready<'_>, rehearsal: &Rehearsal, held: &[(Oid, String)]) -> Result<Traffic, RehearsalError> {
    let (queries, mut left_out) = called(rehearsal);
    let connections = (queries.len() + held.len() + OTHERS + RESERVED_CONNECTIONS).max(MAX_CONNECTIONS).to_string();
    let copy = plan.copy_with(&[("max_connections", &connections)]).await?;
    // Without registered ones the point reads and writes are the tool's own.
    let writes = plan.settings.measure_writes || rehearsal.queries.is_empty();
    let mut callers = Vec::new();
    for query in &queries {
        match Caller::open(&copy.target, query, writes, super::passes::options(plan).statement_timeout).await? {
            Opened::Ready(caller) => callers.push(caller),
            Opened::LeftOut(why) => left_out.push((query.name.clone(), why)),
        }
    }
    say(plan, rehearsal, callers.len(), held.len());
    let patience = Duration::from_secs_f64(plan.settings.thresholds.transaction_ms / 1e3);
    let mut holders = Vec::new();
    for (relation, name) in held {
        holders.push(Holder::open(copy.superuser("queue").await?, (*relation, name), patience).await?);
    }
    let looking = copy.superuser("observer").await?;
    let seen = beside(&copy.target, &rehearsal.migrations, callers, looking, holders).await;
    copy.destroy().await?;
    Ok(told(seen?, rehearsal, plan.settings.thresholds.stall_ms, left_out))
}

/// What the pass adds, before it does.
fn say(plan: &Ready<'_>, rehearsal: &Rehearsal, queries: usize, held: usize) {
    let migrating: f64 = rehearsal.observations.iter().map(|each| each.duration_ms).sum();
    let waiting = held as f64 * plan.settings.thresholds.transaction_ms;
    let least = alone(queries).as_secs_f64() * 1e3;
    let behind = if held > 0 {
        format!(", behind {} of others", human::plural(held, "open transaction"))
    } else {
        String::new()
    };
    plan.progress.say(&format!(
        "{} beside the migration{behind}: {} to {}",
        human::plural(queries, "query"),
        human::duration(least + migrating),
        human::duration(least + migrating + waiting)
    ));
}

fn told(seen: Seen, rehearsal: &Rehearsal, stall_ms: f64, mut left_out: Vec<(String, String)>) -> Traffic {
    let last = seen.lanes.iter().filter_map(|lane| lane.calls.last()).map(|call| call.answered_ms);
    let step_ms = step_of(last.fold(seen.ended_ms, f64::max));
    let mut all = Vec::new();
    for lane in &seen.lanes {
        match felt(lane, (seen.began_ms, step_ms, stall_ms), &seen.spans, &rehearsal.observations) {
            Some(felt) => all.push(felt),
            None => left_out.push((lane.query.clone(), never(lane))),
        }
    }
    Traffic {
        began_ms: seen.began_ms,
        ended_ms: seen.ended_ms,
        step_ms,
        felt: all,
        left_out,
        failure: seen.failure.map(|failure| (failure.statement, failure.error)),
        queued: seen.queued,
    }
}

fn never(lane: &Lane) -> String {
    format!("it was called {} in all, too rarely to compare", human::plural(lane.calls.len(), "time"))
}

/// The queries to call, and those that are left out for want of room.
fn called(rehearsal: &Rehearsal) -> (Vec<HotQuery>, Vec<(String, String)>) {
    if rehearsal.queries.is_empty() {
        let tables = touched(rehearsal, CALLED_FROM);
        return (tables.iter().flat_map(|(oid, name)| points(rehearsal, *oid, name)).collect(), Vec::new());
    }
    let mut queries: Vec<HotQuery> = rehearsal.queries.clone();
    queries.sort_by(|left, right| right.weight.total_cmp(&left.weight));
    let rest = queries.split_off(CALLED.min(queries.len()));
    let why = format!("only the {CALLED} of the greatest weight are called");
    (queries, rest.into_iter().map(|query| (query.name, why.clone())).collect())
}

/// Tables that were there before and that the migration locks in this mode or a stronger one, the largest first. A
/// partition is its table.
fn touched(rehearsal: &Rehearsal, least: LockMode) -> Vec<(Oid, String)> {
    let Some(before) = &rehearsal.before else { return Vec::new() };
    let locks = rehearsal.observations.iter().flat_map(|observation| &observation.locks);
    let mut tables: BTreeMap<Oid, String> = BTreeMap::new();
    for lock in locks.filter(|lock| !lock.created_in_run && lock.mode >= least) {
        if let Some(table) = before.catalog.relations.values().find(|each| each.qualified == lock.table)
            && matches!(table.kind, RelationKind::Table | RelationKind::PartitionedTable)
        {
            tables.insert(table.oid, table.qualified.clone());
        }
    }
    let mut tables: Vec<(Oid, String)> = tables.into_iter().collect();
    tables.sort_by_key(|(oid, _)| std::cmp::Reverse(rehearsal.rows_before(*oid)));
    tables
}

/// A read and a write of one row, as long as the table has a column that can be written before and after.
fn points(rehearsal: &Rehearsal, oid: Oid, table: &str) -> Vec<HotQuery> {
    // Of no column: a prepared statement with all of them is refused once there is one more.
    let read = format!("SELECT 1 FROM {table} LIMIT 1");
    let mut queries = vec![HotQuery::bare(&format!("a read of {table}"), &read)];
    let catalogs = rehearsal.before.iter().chain(&rehearsal.right_after).map(|snapshot| &*snapshot.catalog);
    if let Some(column) = written(catalogs, oid) {
        let column = quote_identifier(&column);
        let row = format!("(SELECT ctid FROM {table} LIMIT 1)");
        let write = format!("UPDATE {table} SET {column} = {column} WHERE ctid = {row}");
        queries.push(HotQuery::bare(&format!("a write to {table}"), &write));
    }
    queries
}

/// A column that can be set to itself in all of these; one of the key, if possible.
fn written<'a>(catalogs: impl Iterator<Item = &'a Catalog> + Clone, oid: Oid) -> Option<String> {
    let first = catalogs.clone().next()?;
    let is_table = |relation: &Relation| matches!(relation.kind, RelationKind::Table | RelationKind::PartitionedTable);
    let writable = |catalog: &Catalog, name: &str| {
        let gone = !catalog.relations.get(&oid).is_some_and(is_table);
        let mut columns = catalog.columns_of(oid);
        gone || columns.any(|column| column.name == name && column.generated.is_none() && column.identity != Some('a'))
    };
    let everywhere = |name: &&str| catalogs.clone().all(|catalog| writable(catalog, name));
    let keys = first.indexes.values().filter(|index| index.table == oid && index.primary);
    let keys: Vec<&str> = keys.flat_map(|index| &index.keys).map(String::as_str).collect();
    let columns: Vec<&str> = first.columns_of(oid).map(|column| column.name.as_str()).collect();
    let known = |name: &&str| columns.contains(name);
    keys.into_iter().filter(known).chain(columns.iter().copied()).find(everywhere).map(str::to_owned)
}
