//! Whom does it block: `lock/*`. Objects created in the same run raise nothing.

use super::{Finding, count};
use crate::config::Thresholds;
use crate::observation::lock::LockMode;
use crate::observation::{Observation, ObservedLock, RelationWork};
use crate::rehearsal::Rehearsal;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(rehearsal: &Rehearsal, thresholds: &Thresholds) -> Vec<Finding> {
    let mut findings = Vec::new();
    for observation in &rehearsal.observations {
        work_under_lock(observation, thresholds, &mut findings);
        large_update(observation, thresholds, &mut findings);
    }
    held_long(rehearsal, thresholds, &mut findings);
    no_timeout(rehearsal, thresholds, &mut findings);
    many_tables(rehearsal, thresholds, &mut findings);
    findings
}

/// Locks on relations that were there before and that make reads or writes wait.
fn blocking(observation: &Observation) -> impl Iterator<Item = &ObservedLock> {
    observation.locks.iter().filter(|lock| !lock.created_in_run && !lock.mode.blocks().is_empty())
}

/// The strongest blocking lock in effect on a relation while the statement ran.
fn strongest(observation: &Observation, name: &str) -> Option<LockMode> {
    blocking(observation).filter(|lock| lock.name == name).map(|lock| lock.mode).max()
}

fn waits(mode: LockMode) -> String {
    mode.blocks().join(" and ")
}

fn work_under_lock(observation: &Observation, thresholds: &Thresholds, findings: &mut Vec<Finding>) {
    let statement = Some(observation.statement);
    let large = |work: &&RelationWork| !work.created_in_run && work.rows >= thresholds.rows;
    let mut told = BTreeSet::new();
    for work in observation.rewritten.iter().filter(large) {
        // Partitions are told once, under their parent, as their locks are.
        if !told.insert(work.table.clone()) {
            continue;
        }
        let mode = strongest(observation, &work.table).unwrap_or(LockMode::AccessExclusive);
        findings.push(
            Finding::measured(
                "lock/table-rewrite",
                statement,
                vec![work.table.clone()],
                format!(
                    "rewrites {} ({} rows) under {}: {} wait until its transaction ends",
                    work.name,
                    count(work.rows),
                    mode.name(),
                    waits(mode)
                ),
                "add a new column without the expensive part, fill it in batches, then switch over".into(),
            )
            .with(json!({ "rows": work.rows, "mode": mode.name(), "duration_ms": observation.duration_ms })),
        );
    }
    for work in observation.indexes_built.iter().filter(large) {
        let Some(mode) = strongest(observation, &work.table) else { continue };
        if !told.insert(work.table.clone()) {
            continue;
        }
        findings.push(
            Finding::measured(
                "lock/index-build",
                statement,
                vec![work.table.clone(), work.name.clone()],
                format!(
                    "builds index {} on {} ({} rows) under {}: {} wait until its transaction ends",
                    work.name,
                    work.table,
                    count(work.rows),
                    mode.name(),
                    waits(mode)
                ),
                "build it with CREATE INDEX CONCURRENTLY outside a transaction; attach a constraint with USING INDEX"
                    .into(),
            )
            .with(json!({ "rows": work.rows, "mode": mode.name(), "duration_ms": observation.duration_ms })),
        );
    }
    for work in observation.scanned.iter().filter(large) {
        let Some(mode) = strongest(observation, &work.table) else { continue };
        if !told.insert(work.table.clone()) {
            continue;
        }
        findings.push(
            Finding::measured(
                "lock/full-scan",
                statement,
                vec![work.table.clone()],
                format!(
                    "reads all of {} ({} rows) under {}: {} wait until its transaction ends",
                    work.name,
                    count(work.rows),
                    mode.name(),
                    waits(mode)
                ),
                "add the constraint NOT VALID first, then VALIDATE it in a transaction of its own".into(),
            )
            .with(json!({ "rows": work.rows, "mode": mode.name(), "duration_ms": observation.duration_ms })),
        );
    }
}

fn large_update(observation: &Observation, thresholds: &Thresholds, findings: &mut Vec<Finding>) {
    for work in observation.changed.iter().filter(|work| !work.created_in_run && work.rows >= thresholds.update_rows) {
        findings.push(
            Finding::measured(
                "lock/large-update",
                Some(observation.statement),
                vec![work.name.clone()],
                format!(
                    "updates or deletes {} rows of {} in one transaction: other writers of these rows wait until it ends",
                    count(work.rows),
                    work.name
                ),
                "do it in batches that commit, outside the schema change".into(),
            )
            .with(json!({ "rows": work.rows, "wal_bytes": observation.wal_bytes, "duration_ms": observation.duration_ms })),
        );
    }
}

fn held_long(rehearsal: &Rehearsal, thresholds: &Thresholds, findings: &mut Vec<Finding>) {
    for observation in &rehearsal.observations {
        let mut longest: BTreeMap<&str, &ObservedLock> = BTreeMap::new();
        for lock in blocking(observation).filter(|lock| lock.taken_here && lock.held_ms >= thresholds.held_ms) {
            let known = longest.entry(&lock.name).or_insert(lock);
            if lock.mode > known.mode {
                *known = lock;
            }
        }
        for (name, lock) in longest {
            // What the statement itself did under the lock is said by the finding that names it.
            let explained = findings.iter().any(|finding| {
                finding.statement == Some(observation.statement) && finding.objects.iter().any(|object| object == name)
            });
            let index_of_it = rehearsal.is_index(lock.relation);
            if explained || index_of_it {
                continue;
            }
            findings.push(
                Finding::measured(
                    "lock/held-long",
                    Some(observation.statement),
                    vec![name.to_owned()],
                    format!(
                        "holds {} on {name} for {:.1} s, to the end of its transaction: {} wait all the while",
                        lock.mode.name(),
                        lock.held_ms / 1000.0,
                        waits(lock.mode)
                    ),
                    "keep the statement that takes the lock in a short transaction of its own, after the slow work"
                        .into(),
                )
                .with(json!({ "mode": lock.mode.name(), "held_ms": lock.held_ms })),
            );
        }
    }
}

/// Once for each migration: the first statement that could wait for a lock for ever on a table that matters.
fn no_timeout(rehearsal: &Rehearsal, thresholds: &Thresholds, findings: &mut Vec<Finding>) {
    for migration in &rehearsal.migrations {
        let first = migration
            .statements
            .iter()
            .filter_map(|statement| rehearsal.observation(statement.index))
            .filter(|observation| observation.lock_timeout_ms == 0)
            .find_map(|observation| {
                let lock = blocking(observation)
                    .filter(|lock| lock.taken_here && !rehearsal.is_index(lock.relation))
                    .filter(|lock| rehearsal.rows_before(lock.relation) >= thresholds.rows)
                    .max_by_key(|lock| lock.mode)?;
                Some((observation.statement, lock))
            });
        if let Some((statement, lock)) = first {
            findings.push(
                Finding::measured(
                    "lock/no-timeout",
                    Some(statement),
                    vec![lock.name.clone()],
                    format!(
                        "waits for {} on {} without a lock_timeout: behind one long query it makes every {} wait as well",
                        lock.mode.name(),
                        lock.name,
                        if lock.mode.blocks().contains(&"reads") { "read and write" } else { "write" }
                    ),
                    "SET lock_timeout = '5s' before it (or on the role), and retry when it fires".into(),
                )
                .with(json!({ "mode": lock.mode.name(), "lock_timeout_ms": 0 })),
            );
        }
    }
}

fn many_tables(rehearsal: &Rehearsal, thresholds: &Thresholds, findings: &mut Vec<Finding>) {
    for migration in &rehearsal.migrations {
        let mut tables = BTreeSet::new();
        let mut last = None;
        for statement in &migration.statements {
            let Some(observation) = rehearsal.observation(statement.index) else { continue };
            for lock in blocking(observation)
                .filter(|lock| lock.mode == LockMode::AccessExclusive && rehearsal.is_table(lock.relation))
            {
                if tables.insert(lock.name.clone()) {
                    last = Some(statement.index);
                }
            }
        }
        let together = migration.transaction == crate::migration::TransactionMode::PerMigration;
        if together && tables.len() > thresholds.tables {
            findings.push(
                Finding::measured(
                    "lock/many-tables",
                    last,
                    tables.iter().cloned().collect(),
                    format!("locks {} tables against reads and writes in one transaction", tables.len()),
                    "split it into one migration for each table: fewer things wait, and deadlocks are less likely"
                        .into(),
                )
                .with(json!({ "tables": tables.len() })),
            );
        }
    }
}
