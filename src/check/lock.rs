//! Whom does it block: `lock/*`. Objects created in the same run raise nothing.

mod database;

use super::{Answer, Check, Finding, Kind, Severity, count, examples};
use crate::config::Thresholds;
use crate::migration::script::words::{Word, words};
use crate::migration::script::{self, StatementKind};
use crate::observation::lock::LockMode;
use crate::observation::{Observation, ObservedLock, RelationWork};
use crate::rehearsal::Rehearsal;
use crate::report::human;
use crate::report::v1::EngineName;
use crate::snapshot::Oid;
use crate::snapshot::catalog::names_table;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// What this file finds.
pub(super) const CHECK: Check = Check {
    kinds: &[&TABLE_REWRITE, &FULL_SCAN, &INDEX_BUILD, &HELD_LONG, &MANY_TABLES, &NO_TIMEOUT, &LARGE_UPDATE],
    find,
};

const TABLE_REWRITE: Kind = Kind::new(
    "lock/table-rewrite",
    Severity::Error,
    Answer::Blocks,
    "
        A large table was written anew, seen by its new file on disk, while the lock made others wait until the end of the
        transaction.
    ",
)
.with(examples!("lock/table-rewrite"));

const FULL_SCAN: Kind = Kind::new(
    "lock/full-scan",
    Severity::Error,
    Answer::Blocks,
    "
        A large table was read from end to end, seen in the server's own counters, under a lock that makes reads or writes
        wait. `SET NOT NULL` and `ADD CONSTRAINT` without `NOT VALID` are the usual causes. What `UPDATE`, `SELECT` and the
        like read is not meant: whom they keep waiting is `lock/held-long`.
    ",
)
.with(examples!("lock/full-scan"));

const INDEX_BUILD: Kind = Kind::new(
    "lock/index-build",
    Severity::Error,
    Answer::Blocks,
    "
        An index was built on a large table while writes had to wait. `CREATE INDEX CONCURRENTLY` does not make them wait.
    ",
)
.with(examples!("lock/index-build"));

const HELD_LONG: Kind = Kind::new(
    "lock/held-long",
    Severity::Error,
    Answer::Blocks,
    "
        A lock that makes others wait was held for at least `thresholds.held_ms` (one second) on the idle copy, and no other
        finding of the same statement explains why. In production it is held for at least as long.
    ",
)
.with(examples!("lock/held-long"));

const MANY_TABLES: Kind = Kind::new(
    "lock/many-tables",
    Severity::Warning,
    Answer::Blocks,
    "
        One transaction locks more than `thresholds.tables` existing tables (five) against reads and writes.
    ",
)
.with(examples!("lock/many-tables"));

const NO_TIMEOUT: Kind = Kind::new(
    "lock/no-timeout",
    Severity::Warning,
    Answer::Blocks,
    "
        A statement takes a lock on a large table that makes others wait, and neither `lock_timeout` nor `statement_timeout` ends
        its own waiting before `thresholds.lock_wait_ms` (a minute): it may wait practically for ever, and others behind it. What
        counts is the setting in effect at that moment, whether role, database or script set it. Said once for each migration.
    ",
)
.with(examples!("lock/no-timeout"));

const LARGE_UPDATE: Kind = Kind::new(
    "lock/large-update",
    Severity::Warning,
    Answer::Blocks,
    "
        One statement updated or deleted at least `thresholds.update_rows` rows (10,000) of an existing table: other writers
        of these rows wait until its transaction ends.
    ",
)
.with(examples!("lock/large-update"));

fn find(rehearsal: &Rehearsal, thresholds: &Thresholds) -> Vec<Finding> {
    let mut findings = Vec::new();
    for observation in &rehearsal.observations {
        work_under_lock(rehearsal, observation, thresholds, &mut findings);
        large_update(rehearsal, observation, thresholds, &mut findings);
    }
    match rehearsal.engine {
        EngineName::Postgresql => held_long(rehearsal, thresholds, &mut findings),
        EngineName::Sqlite => database::held_long(rehearsal, thresholds, &mut findings),
    }
    no_timeout(rehearsal, thresholds, &mut findings);
    many_tables(rehearsal, thresholds, &mut findings);
    findings
}

/// Locks on relations that were there before and that make reads or writes wait.
fn blocking(observation: &Observation) -> impl Iterator<Item = &ObservedLock> {
    observation.locks.iter().filter(|lock| lock.makes_wait())
}

/// The strongest blocking lock in effect on a table or its indexes while the statement ran, and who waits for it.
fn strongest(observation: &Observation, name: &str) -> Option<(LockMode, Vec<&'static str>)> {
    // On the whole database: whatever the table.
    if let Some(lock) = database::strongest(observation) {
        return Some((lock.mode, lock.blocks()));
    }
    // Whoever plans a query of a table waits for its indexes as well.
    let locks = blocking(observation).filter(|lock| lock.table == name);
    locks.max_by_key(|lock| lock.mode).map(|lock| (lock.mode, lock.blocks()))
}

/// Whether what happens to a table is worth a finding: for its rows, for its bytes, or because the project says so.
fn weighs(thresholds: &Thresholds, table: &str, rows: u64, bytes: u64) -> bool {
    let named = |name: &String| names_table(name, table);
    rows >= thresholds.rows || bytes >= thresholds.bytes || (rows > 0 && thresholds.hot_tables.iter().any(named))
}

/// Work of one kind on one table: its partitions are told once and added up, as their locks are.
struct TableWork<'a> {
    first: &'a RelationWork,
    rows: u64,
    /// The tables it was done to.
    heaps: BTreeSet<Oid>,
}

fn by_table(works: &[RelationWork]) -> Vec<TableWork<'_>> {
    let mut tables: Vec<TableWork<'_>> = Vec::new();
    for work in works.iter().filter(|work| !work.created_in_run) {
        // Several indexes of one table read the same rows.
        match tables.iter_mut().find(|known| known.first.table == work.table) {
            Some(known) => known.rows += if known.heaps.insert(work.heap) { work.rows } else { 0 },
            None => tables.push(TableWork { first: work, rows: work.rows, heaps: [work.heap].into() }),
        }
    }
    tables
}

/// What a statement did to all rows of a table under a lock that makes others wait: told once for each table, the
/// heaviest kind of work first.
fn work_under_lock(
    rehearsal: &Rehearsal,
    observation: &Observation,
    thresholds: &Thresholds,
    findings: &mut Vec<Finding>,
) {
    // What an UPDATE or a SELECT reads is its work, no constraint being proven: `lock/held-long` says whom it keeps.
    let about_rows = rehearsal.sql(observation.statement).is_some_and(|sql| reads_rows(&script::kind(sql)));
    let on_sqlite = rehearsal.engine == EngineName::Sqlite;
    let rewritten: Vec<RelationWork> =
        observation.rewritten.iter().cloned().chain(database::rebuilt(rehearsal, observation)).collect();
    let mut told = BTreeSet::new();
    let kinds = [
        (
            &TABLE_REWRITE,
            &rewritten,
            "add a new column without the expensive part, fill it in batches, then switch over",
        ),
        (
            &INDEX_BUILD,
            &observation.indexes_built,
            "build it with CREATE INDEX CONCURRENTLY outside a transaction; attach a constraint with USING INDEX",
        ),
        (
            &FULL_SCAN,
            &observation.scanned,
            "add the constraint NOT VALID first, then VALIDATE it in a transaction of its own",
        ),
    ];
    for (kind, works, advice) in kinds {
        if *kind == FULL_SCAN && about_rows {
            continue;
        }
        for TableWork { first, rows, heaps } in by_table(works) {
            let table = &first.table;
            let bytes = heaps.iter().map(|heap| rehearsal.bytes_before(*heap)).sum();
            if !weighs(thresholds, table, rows, bytes) {
                continue;
            }
            // Reading and building go on under weaker locks as well, where nobody waits; a rewrite never does.
            let rewrite = (LockMode::AccessExclusive, LockMode::AccessExclusive.blocks());
            let rewrite = Some(rewrite).filter(|_| *kind == TABLE_REWRITE && !on_sqlite);
            let Some((mode, waiting)) = strongest(observation, table).or(rewrite) else { continue };
            if !told.insert(table.clone()) {
                continue;
            }
            let (verb, objects) = match *kind {
                TABLE_REWRITE => (format!("rewrites {table}"), vec![table.clone()]),
                INDEX_BUILD => {
                    (format!("builds index {} on {table}", first.name), vec![table.clone(), first.name.clone()])
                }
                _ => (format!("reads all of {table}"), vec![table.clone()]),
            };
            let message = format!(
                "{verb} ({} rows{}) under {}: {}",
                count(rows),
                if rows < thresholds.rows { format!(", {}", human::bytes(bytes)) } else { String::new() },
                mode.name(),
                match on_sqlite {
                    true => database::waiting(mode).to_owned(),
                    false => format!("{} wait until its transaction ends", waiting.join(" and ")),
                }
            );
            let advice = match rehearsal.sql(observation.statement) {
                Some(sql) if *kind == TABLE_REWRITE && is_asked_for(sql) => {
                    "every row is written anew, which is what the statement is for: run it when nobody needs the table"
                }
                _ if on_sqlite => database::advice(kind),
                _ => advice,
            };
            findings
                .push(Finding::measured(kind, Some(observation.statement), objects, message, advice.to_owned()).with(
                json!({ "rows": rows, "bytes": bytes, "mode": mode.name(), "duration_ms": observation.duration_ms }),
            ));
        }
    }
}

/// Statements that are there to write a table anew: no other form of them leaves it as it is.
fn is_asked_for(sql: &str) -> bool {
    let words = words(sql);
    let place = |pair: &[Word<'_>]| {
        pair[0].is("SET") && ["LOGGED", "UNLOGGED", "TABLESPACE"].iter().any(|keyword| pair[1].is(keyword))
    };
    words.first().is_some_and(|first| first.is("CLUSTER") || first.is("VACUUM")) || words.windows(2).any(place)
}

/// Statements about rows, whose reading is asked for.
fn reads_rows(kind: &StatementKind) -> bool {
    use StatementKind::{Copy, Delete, Insert, Merge, Select, Table, Update, Values, With};
    matches!(kind, Copy { .. } | Delete | Insert | Merge | Select | Table | Update | Values | With)
}

fn large_update(
    rehearsal: &Rehearsal,
    observation: &Observation,
    thresholds: &Thresholds,
    findings: &mut Vec<Finding>,
) {
    // Batches that commit are the safe form: what each holds is let go again.
    if observation.committed_within {
        return;
    }
    for TableWork { first, rows, .. } in by_table(&observation.changed) {
        if rows < thresholds.update_rows {
            continue;
        }
        // One partition alone is named itself.
        let name = if rows == first.rows { &first.name } else { &first.table };
        let waiting = match rehearsal.engine {
            EngineName::Postgresql => "other writers of these rows wait until it ends",
            EngineName::Sqlite => "nobody else can write to the database until it ends",
        };
        findings.push(
            Finding::measured(
                &LARGE_UPDATE,
                Some(observation.statement),
                vec![name.clone()],
                format!("updates or deletes {} rows of {name} in one transaction: {waiting}", count(rows)),
                "do it in batches that commit, outside the schema change".into(),
            )
            .with(json!({ "rows": rows, "wal_bytes": observation.wal_bytes, "duration_ms": observation.duration_ms })),
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
                finding.statement == Some(observation.statement)
                    && finding.kind.severity == Severity::Error
                    && finding.objects.iter().any(|object| object == name)
            });
            if explained || lock.index {
                continue;
            }
            findings.push(
                Finding::measured(
                    &HELD_LONG,
                    Some(observation.statement),
                    vec![name.to_owned()],
                    format!(
                        "holds {} on {name} for {:.1} s, to the end of its transaction: {} wait all the while",
                        lock.mode.name(),
                        lock.held_ms / 1000.0,
                        lock.blocks().join(" and ")
                    ),
                    "keep the statement that takes the lock in a short transaction of its own, after the slow work"
                        .into(),
                )
                .with(json!({ "mode": lock.mode.name(), "held_ms": lock.held_ms })),
            );
        }
    }
}

/// Longest a statement can wait for a lock, in milliseconds; `None` for ever. Waiting counts for `statement_timeout` too.
fn longest_wait(observation: &Observation) -> Option<u64> {
    [observation.lock_timeout_ms, observation.statement_timeout_ms].into_iter().filter(|limit| *limit > 0).min()
}

/// `DETACH PARTITION CONCURRENTLY`: by the time it waits for the partition, nobody reaches that through its table any
/// more. What locks say is not enough: ATTACH takes the same ones, on the default partition.
fn detaches_concurrently(rehearsal: &Rehearsal, observation: &Observation, lock: &ObservedLock) -> bool {
    let says_so = |sql| words(sql).iter().any(|word| word.is("CONCURRENTLY"));
    lock.partitions_only && rehearsal.sql(observation.statement).is_some_and(says_so)
}

/// Once for each migration: the first statement that could wait for a lock practically for ever on a table that matters.
fn no_timeout(rehearsal: &Rehearsal, thresholds: &Thresholds, findings: &mut Vec<Finding>) {
    for migration in &rehearsal.migrations {
        let first = migration
            .statements
            .iter()
            .filter_map(|statement| rehearsal.observation(statement.index))
            .filter(|observation| longest_wait(observation).is_none_or(|wait| wait as f64 >= thresholds.lock_wait_ms))
            .find_map(|observation| {
                let lock = blocking(observation)
                    .filter(|lock| {
                        lock.taken_here && !lock.index && !detaches_concurrently(rehearsal, observation, lock)
                    })
                    .filter(|lock| {
                        let rows = rehearsal.rows_before(lock.relation);
                        weighs(thresholds, &lock.name, rows, rehearsal.bytes_before(lock.relation))
                    })
                    .max_by_key(|lock| lock.mode)?;
                Some((observation, lock))
            });
        if let Some((observation, lock)) = first {
            let without = match longest_wait(observation) {
                None => "without a lock_timeout".to_owned(),
                Some(wait) => format!("for up to {}", human::duration(wait as f64)),
            };
            findings.push(
                Finding::measured(
                    &NO_TIMEOUT,
                    Some(observation.statement),
                    vec![lock.name.clone()],
                    format!(
                        "asks for {} on {} {without}: behind one long query it makes every {} wait as well",
                        lock.mode.name(),
                        lock.name,
                        if lock.blocks().contains(&"reads") { "read and write" } else { "write" }
                    ),
                    "SET lock_timeout = '5s' before it (or on the role), and retry when it fires".into(),
                )
                .with(json!({
                    "mode": lock.mode.name(),
                    "lock_timeout_ms": observation.lock_timeout_ms,
                    "statement_timeout_ms": observation.statement_timeout_ms,
                })),
            );
        }
    }
}

/// Once for each transaction, whoever opened it: its last statement holds what all of them took.
fn many_tables(rehearsal: &Rehearsal, thresholds: &Thresholds, findings: &mut Vec<Finding>) {
    let mut locking = rehearsal.observations.iter().filter(|each| !each.locks.is_empty()).peekable();
    let mut last = None;
    while let Some(observation) = locking.next() {
        let exclusive = |lock: &&ObservedLock| {
            lock.makes_wait() && lock.mode == LockMode::AccessExclusive && rehearsal.is_table(lock.relation)
        };
        let tables: BTreeSet<String> =
            observation.locks.iter().filter(exclusive).map(|lock| lock.name.clone()).collect();
        if observation.locks.iter().filter(exclusive).any(|lock| lock.taken_here) {
            last = Some(observation.statement);
        }
        if locking.peek().is_some_and(|next| next.locks.iter().any(|lock| !lock.taken_here)) {
            continue;
        }
        let last = last.take();
        // What commits on its way lets go of them one by one.
        if tables.len() <= thresholds.tables || observation.committed_within {
            continue;
        }
        findings.push(
            Finding::measured(
                &MANY_TABLES,
                last,
                tables.iter().cloned().collect(),
                format!("locks {} tables against reads and writes in one transaction", tables.len()),
                "split it into one migration for each table: fewer things wait, and deadlocks are less likely".into(),
            )
            .with(json!({ "tables": tables.len() })),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::is_asked_for;

    #[test]
    fn a_table_is_written_anew_on_purpose_by_the_words_and_not_by_a_columns_name() {
        for asked in ["CLUSTER t", "VACUUM FULL t", "ALTER TABLE t SET UNLOGGED", "ALTER TABLE t set logged"] {
            assert!(is_asked_for(asked), "{asked}");
        }
        for other in ["ALTER TABLE t ALTER COLUMN logged TYPE bigint", "ALTER TABLE t ALTER tablespace SET NOT NULL"] {
            assert!(!is_asked_for(other), "{other}");
        }
    }
}
