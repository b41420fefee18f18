//! The same on SQLite, whose locks are on the whole database: one connection writes at a time, and in rollback-journal mode
//! nobody reads while the file itself is written.

use super::{
    FULL_SCAN, Finding, HELD_LONG, INDEX_BUILD, Kind, LockMode, Observation, Rehearsal, Severity, TABLE_REWRITE,
};
use crate::check::sqlite::rebuilds;
use crate::config::Thresholds;
use crate::observation::{ObservedLock, RelationWork};
use crate::snapshot::catalog::qualify;
use crate::snapshot::sqlite::catalog::MAIN;
use serde_json::json;

/// What to do instead of work that keeps the lock.
pub(super) fn advice(kind: &Kind) -> &'static str {
    if *kind == TABLE_REWRITE {
        "see whether ADD COLUMN, RENAME COLUMN or DROP COLUMN does without a rebuild; else rebuild off hours, in a transaction \
         of its own. In WAL mode others can read meanwhile"
    } else if *kind == INDEX_BUILD {
        "SQLite builds no index beside writers: build it off hours, in a transaction of its own. In WAL mode others can read \
         meanwhile"
    } else {
        debug_assert!(*kind == FULL_SCAN);
        "a rule that is held against every row takes as long as the table is large: add it off hours, in a transaction of its own"
    }
}

/// Who waits.
pub(super) fn waiting(mode: LockMode) -> &'static str {
    match mode {
        LockMode::FileExclusive => "nobody else can read or write the database until its transaction ends",
        _ => "nobody else can write to the database until its transaction ends",
    }
}

/// Tables a statement writes anew into the ones that take their place.
pub(super) fn rebuilt(rehearsal: &Rehearsal, observation: &Observation) -> Vec<RelationWork> {
    let work = |rebuild: crate::check::sqlite::Rebuild<'_>| {
        let rows = rebuild.filled.iter().find(|(statement, _)| *statement == observation.statement)?.1;
        let name = qualify(MAIN, rebuild.name());
        Some(RelationWork {
            relation: rebuild.oid,
            name: name.clone(),
            table: name,
            heap: rebuild.oid,
            rows,
            created_in_run: false,
        })
    };
    rebuilds(rehearsal).into_iter().filter_map(work).collect()
}

/// The lock that counts while a statement runs: the one held longest, of those held as long the stronger.
pub(super) fn strongest(observation: &Observation) -> Option<&ObservedLock> {
    let locks = observation.locks.iter().filter(|lock| lock.mode.is_of_the_file());
    locks.max_by(|one, other| one.held_ms.total_cmp(&other.held_ms).then(one.mode.cmp(&other.mode)))
}

/// Once for each transaction that held the lock long, where no other finding of it says why.
pub(super) fn held_long(rehearsal: &Rehearsal, thresholds: &Thresholds, findings: &mut Vec<Finding>) {
    let takes = |observation: &Observation| {
        observation.locks.iter().any(|lock| lock.mode == LockMode::Reserved && lock.taken_here)
    };
    let mut rest = rehearsal.observations.as_slice();
    while let Some(first) = rest.iter().position(takes) {
        let end = rest[first + 1..].iter().position(takes).map_or(rest.len(), |next| first + 1 + next);
        let (transaction, after) = (&rest[first..end], &rest[end..]);
        rest = after;
        let statement = transaction[0].statement;
        let held = transaction.iter().filter_map(strongest).filter(|lock| lock.held_ms >= thresholds.held_ms);
        let Some(lock) = held.max_by_key(|lock| lock.mode) else { continue };
        let explains = |finding: &Finding| {
            let inside = transaction.iter().any(|each| finding.statement == Some(each.statement));
            inside && finding.kind.severity == Severity::Error
        };
        if findings.iter().any(explains) {
            continue;
        }
        let seconds = lock.held_ms / 1000.0;
        findings.push(
            Finding::measured(
                &HELD_LONG,
                Some(statement),
                vec![MAIN.to_owned()],
                format!(
                    "takes the database's write lock ({}), which is held for {seconds:.1} s, to the end of the transaction: {}",
                    lock.mode.name(),
                    waiting(lock.mode)
                ),
                "do the slow work in batches that commit, or in a transaction of its own; whoever waits longer than its \
                 busy_timeout gets SQLITE_BUSY"
                    .to_owned(),
            )
            .with(json!({ "mode": lock.mode.name(), "held_ms": lock.held_ms })),
        );
    }
}
