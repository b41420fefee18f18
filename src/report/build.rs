//! From a rehearsal and its findings to the report every format renders: the only place where internal types become
//! the contract's.

use super::human;
use super::v1::{
    self, Applies, Blocks, EngineName, Observed, QueryVerdict, RollbackVerdict, Slower, Traffic, Undoable,
};
use crate::check::Finding;
use crate::diff::index::IndexChangeKind;
use crate::migration::history::NOT_NEW;
use crate::migration::recorded;
use crate::migration::{Migration, Statement, TransactionMode};
use crate::observation::lock::LockMode;
use crate::observation::{Observation, ObservedLock, Outcome};
use crate::rehearsal::cut_short::{Obstacle, cut_short, leaves_unseen};
use crate::rehearsal::{IndexEntry, Rehearsal, answers};
use crate::rollback::Rollback;
use crate::rollback::generate;
use crate::rollback::prove::RollbackProof;
use serde_json::Value;
use std::collections::BTreeMap;

pub(crate) use queries::verdict;

mod queries;
mod trials;

/// Builds the report. `exit_code` is 0 and for the caller to fill in.
pub fn report(rehearsal: &Rehearsal, findings: &[Finding]) -> v1::Report {
    let reported: Vec<v1::Finding> = findings.iter().map(|each| finding(rehearsal, each)).collect();
    v1::Report {
        schema_version: v1::SCHEMA_VERSION,
        tool: v1::Tool { name: "seatrial".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        complete: rehearsal.complete,
        started_at: rehearsal.started_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        duration_ms: rehearsal.started.elapsed().as_secs_f64() * 1000.0,
        exit_code: 0,
        verdict: v1::Verdict::of(&reported),
        answers: answers_of(rehearsal, findings),
        engine: v1::Engine {
            name: rehearsal.engine,
            version: rehearsal.engine_version.clone(),
            settings: rehearsal.engine_settings.clone(),
            role: rehearsal.role.clone(),
            confinement: rehearsal.confinement.clone(),
        },
        source: source(rehearsal),
        passes: rehearsal.passes.iter().map(pass).collect(),
        notes: rehearsal.notes.clone(),
        migrations: rehearsal
            .migrations
            .iter()
            .enumerate()
            .map(|(position, each)| migration(rehearsal, findings, each, position))
            .collect(),
        queries: queries::queries(rehearsal),
        query_notes: rehearsal.query_notes.clone(),
        statistics: queries::statistics(rehearsal),
        self_test: queries::self_test(rehearsal),
        indexes: rehearsal.indexes.iter().map(index).collect(),
        stalls: trials::stalls(rehearsal),
        queued: trials::queued(rehearsal),
        broken_off: trials::broken_off(rehearsal),
        retries: trials::retries(rehearsal),
        rollback: rollback(rehearsal),
        findings: reported,
    }
}

/// Whether one of the four answers, by its name, is unknown.
pub fn is_unknown(answers: &v1::Answers, name: &str) -> bool {
    match name {
        "applies" => answers.applies.verdict == Applies::Unknown,
        "blocks" => answers.blocks.verdict == Blocks::Unknown,
        "slower" => answers.slower.verdict == Slower::Unknown,
        _ => answers.undoable.verdict == Undoable::Unknown,
    }
}

fn answers_of(rehearsal: &Rehearsal, findings: &[Finding]) -> v1::Answers {
    if rehearsal.complete && rehearsal.migrations.is_empty() {
        let behind = rehearsal.notes.iter().any(|note| note.starts_with(NOT_NEW));
        let summary = || if behind { "nothing is new since --base" } else { "nothing is pending" }.to_owned();
        return v1::Answers {
            applies: v1::Answer { verdict: Applies::Yes, summary: summary() },
            blocks: v1::Answer { verdict: Blocks::No, summary: summary() },
            slower: v1::Answer { verdict: Slower::No, summary: summary() },
            undoable: v1::Answer { verdict: Undoable::Yes, summary: summary() },
        };
    }
    let blocks = answers::blocks(rehearsal, findings, None);
    let slower = answers::slower(rehearsal, findings, None);
    let undoable = undoable(rehearsal);
    v1::Answers {
        applies: v1::Answer { verdict: answers::applies(rehearsal), summary: applies_summary(rehearsal) },
        blocks: v1::Answer { verdict: blocks, summary: blocks_summary(rehearsal, blocks) },
        slower: v1::Answer { verdict: slower, summary: slower_summary(rehearsal, slower) },
        undoable: v1::Answer { verdict: undoable, summary: undoable_summary(rehearsal, undoable) },
    }
}

fn reason(rehearsal: &Rehearsal, answer: &str) -> String {
    answers::unknown(rehearsal)
        .into_iter()
        .find(|unknown| unknown.answer == answer)
        .map_or_else(|| "the run ended before".to_owned(), |unknown| unknown.reason)
}

fn applies_summary(rehearsal: &Rehearsal) -> String {
    let total = rehearsal.migrations.len();
    match (&rehearsal.failure, answers::applies(rehearsal)) {
        (Some(failure), _) => {
            let place = rehearsal.statement(failure.statement).map_or_else(String::new, |each| {
                format!(" at {}:{}", telling_name(&each.file.name), each.start().line)
            });
            let why = match cut_short(rehearsal).map(|cut| cut.obstacle) {
                Some(Obstacle::NoRight) if rehearsal.engine == EngineName::Sqlite => ": it reaches outside the copy",
                Some(Obstacle::NoRight) => ": the role lacks a right",
                Some(Obstacle::OutOfReach(_)) => ": it touches what no copy can reach",
                None => "",
            };
            let with_it = stopped_at(rehearsal).map_or(0, |stopped| stopped.saturating_sub(rehearsal.applied));
            if total == 1 {
                return format!("the migration stops{place}{why}");
            }
            let applied = format!("{} of {} apply", rehearsal.applied, human::plural(total, "migration"));
            if with_it == 0 {
                format!("{applied}; the next one stops{place}{why}")
            } else {
                let before = human::plural(with_it, "migration");
                format!("{applied}; the run stops{place}{why}, and that takes back {before} of the same transaction")
            }
        }
        (None, Applies::Yes) => format!("{} ran to the end on this data", human::plural(total, "migration")),
        (None, _) => reason(rehearsal, "applies"),
    }
}

/// The end of a path that tells one migration from another: where every folder holds a file of the same name, with it.
fn telling_name(path: &str) -> &str {
    let from = |slash: Option<usize>| slash.map_or(path, |slash| &path[slash + 1..]);
    let file = path.rfind('/');
    match (from(file), file) {
        ("migration.sql" | "up.sql", Some(slash)) => from(path[..slash].rfind('/')),
        (name, _) => name,
    }
}

fn blocks_summary(rehearsal: &Rehearsal, verdict: Blocks) -> String {
    if verdict == Blocks::Unknown {
        return reason(rehearsal, "blocks");
    }
    // A lock on an index is told where its table is not locked as strongly: tables are what people know.
    let of_its_own = |observation: &Observation, lock: &ObservedLock| {
        let covers = |other: &ObservedLock| other.name == lock.table && other.mode >= lock.mode;
        !lock.index || !observation.locks.iter().any(covers)
    };
    let told = rehearsal.observations.iter().flat_map(|observation| {
        let locks = observation.locks.iter().filter(|lock| lock.taken_here && lock.makes_wait());
        locks.filter(move |lock| of_its_own(observation, lock))
    });
    let longest = told.max_by(|left, right| left.held_ms.total_cmp(&right.held_ms));
    match longest {
        None => "no lock that makes reads or writes wait".to_owned(),
        Some(lock) if lock.mode.is_of_the_file() => format!(
            "longest: {} on the whole database makes {} wait for {} or more",
            lock.mode.name(),
            human::list(&lock.blocks()),
            human::duration(lock.held_ms)
        ),
        Some(lock) => format!(
            "longest: {} on {} makes {} wait for {} or more",
            lock.mode.name(),
            lock.name,
            human::list(&lock.blocks()),
            human::duration(lock.held_ms)
        ),
    }
}

fn slower_summary(rehearsal: &Rehearsal, verdict: Slower) -> String {
    if verdict == Slower::Unknown {
        return reason(rehearsal, "slower");
    }
    let total = rehearsal.queries.len();
    let worse = [
        QueryVerdict::Regressed,
        QueryVerdict::Broken,
        QueryVerdict::DidNotFinish,
        QueryVerdict::SlowerSamePlan,
        QueryVerdict::OverBudget,
    ];
    let worse = answers::count_queries(rehearsal, &worse);
    let transient = answers::count_queries(rehearsal, &[QueryVerdict::Transient]);
    let settled = match rehearsal.engine {
        EngineName::Postgresql => "VACUUM or ANALYZE",
        EngineName::Sqlite => "ANALYZE",
    };
    let of = format!("of {} hot queries", human::count(total as u64));
    let invalid = rehearsal.indexes.iter().filter(|index| index.change.kind == IndexChangeKind::Invalid).count();
    match (worse, transient) {
        (0, 0) if verdict == Slower::Yes && invalid > 0 => {
            format!(
                "none {of} does more work; writes pay for {} that no query can use",
                human::plural(invalid, "index")
            )
        }
        (0, 0) => format!("none {of} does more work"),
        (0, some) => format!("{some} {of} until {settled}"),
        (some, 0) => format!("{some} {of}"),
        (some, other) => format!("{some} {of}, and {other} until {settled}"),
    }
}

fn undoable(rehearsal: &Rehearsal) -> Undoable {
    if leaves_unseen(rehearsal) {
        return Undoable::Unknown;
    }
    rehearsal.rollback.as_ref().map_or(Undoable::Unknown, |rollback| answers::undoable(rollback.verdict()))
}

fn undoable_summary(rehearsal: &Rehearsal, verdict: Undoable) -> String {
    let proof = rehearsal.rollback.as_ref().and_then(|rollback| rollback.proof.as_ref());
    let order = match proof.is_some_and(RollbackProof::moves_columns) {
        true => ", but for the order of columns",
        false => "",
    };
    match verdict {
        Undoable::Unknown => reason(rehearsal, "undoable"),
        Undoable::Yes => format!("rollback.sql was run: schema and rows are as before{order}"),
        Undoable::WithBackup => format!("with prepare.sql run before: schema and rows are as before{order}"),
        Undoable::WithLoss => {
            let tables: Vec<&str> =
                proof.into_iter().flat_map(RollbackProof::differing_rows).map(|(table, _)| table).collect();
            match tables.as_slice() {
                [] => "the schema comes back, not all rows do".to_owned(),
                tables => format!("the schema comes back; not as before are the rows of {}", human::list(tables)),
            }
        }
        Undoable::No => "the state before does not come back".to_owned(),
    }
}

fn source(rehearsal: &Rehearsal) -> v1::Source {
    match &rehearsal.source {
        Some(source) => v1::Source {
            kind: source.kind,
            rows: source.rows,
            bytes: source.bytes,
            taken_at: source.taken_at.clone(),
            fidelity: source.fidelity,
            fidelity_notes: source.fidelity_notes.clone(),
            restore_warnings: source.restore_warnings.clone(),
        },
        None => v1::Source {
            kind: v1::SourceKind::Empty,
            rows: None,
            bytes: None,
            taken_at: None,
            fidelity: v1::Fidelity::SchemaOnly,
            fidelity_notes: vec![crate::rehearsal::BEFORE_ITS_BASE.to_owned()],
            restore_warnings: Vec::new(),
        },
    }
}

fn pass(pass: &crate::rehearsal::Pass) -> v1::Pass {
    v1::Pass { name: pass.name, ran: pass.ran, reason: pass.reason.clone(), duration_ms: round(pass.duration_ms) }
}

/// Microseconds are noise.
fn round(milliseconds: f64) -> f64 {
    (milliseconds * 1000.0).round() / 1000.0
}

fn migration(rehearsal: &Rehearsal, findings: &[Finding], migration: &Migration, position: usize) -> v1::Migration {
    let rollback = rehearsal.rollbacks.get(position);
    let stopped = stopped_at(rehearsal);
    let indexes: Vec<usize> = migration.statements.iter().map(|statement| statement.index).collect();
    let failed = stopped == Some(position);
    let ran = indexes.iter().any(|index| rehearsal.observation(*index).is_some());
    // One without statements is over as soon as the runner comes to it.
    let reached = rehearsal.ran(v1::PassName::Measure) && stopped.is_none_or(|stopped| position <= stopped);
    let unmeasured = if indexes.is_empty() { !reached } else { !ran };
    let applies = if failed {
        answers::applies(rehearsal)
    } else if unmeasured || !rehearsal.ran(v1::PassName::Measure) {
        // That some of its statements ran says nothing of the others, nor of its COMMIT.
        Applies::Unknown
    } else {
        Applies::Yes
    };
    let committed = indexes.iter().any(|index| rehearsal.committed.contains(index));
    v1::Migration {
        version: migration.version.clone(),
        name: migration.name.clone(),
        layout: v1::Layout::from_name(migration.layout).unwrap_or(v1::Layout::Plain),
        transaction: match migration.transaction {
            TransactionMode::PerMigration => v1::TransactionMode::PerMigration,
            TransactionMode::None => v1::TransactionMode::None,
            TransactionMode::AllPending => v1::TransactionMode::AllPending,
            TransactionMode::Explicit => v1::TransactionMode::Explicit,
        },
        applies,
        blocks: if unmeasured { Blocks::Unknown } else { answers::blocks(rehearsal, findings, Some(&indexes)) },
        slower: if unmeasured { Slower::Unknown } else { answers::slower(rehearsal, findings, Some(&indexes)) },
        undoable: if unmeasured { Undoable::Unknown } else { undoable_one(rehearsal, position, committed) },
        rollback: rollback.map(rollback_one),
        down: down(rehearsal, migration, position),
        statements: migration.statements.iter().map(|each| statement_of(rehearsal, migration, each)).collect(),
    }
}

/// Where the run stopped among the migrations, if it failed.
fn stopped_at(rehearsal: &Rehearsal) -> Option<usize> {
    let failure = rehearsal.failure.as_ref()?;
    let holds = |migration: &Migration| migration.statements.iter().any(|each| each.index == failure.statement);
    // One without statements fails where the runner notes it down.
    Some(rehearsal.migrations.iter().position(holds).unwrap_or(rehearsal.applied))
}

/// What its own rollback showed. A migration that failed has none: nothing of it is left to undo, or what is left is
/// undone with everything else. Of one that ran and whose own was not run nobody knows.
fn undoable_one(rehearsal: &Rehearsal, position: usize, committed: bool) -> Undoable {
    match (rehearsal.rollbacks.get(position), undoable(rehearsal)) {
        (Some(rollback), _) => answers::undoable(rollback.verdict()),
        _ if stopped_at(rehearsal) != Some(position) => Undoable::Unknown,
        (None, Undoable::Unknown) => Undoable::Unknown,
        (None, _) if !committed => Undoable::Yes,
        (None, whole) => whole,
    }
}

fn rollback_one(rollback: &Rollback) -> v1::MigrationRollback {
    let proof = rollback.proof.as_ref();
    v1::MigrationRollback {
        verdict: rollback.verdict(),
        differences: rollback.differences(),
        conditions: proof.map(|proof| proof.conditions().to_vec()).unwrap_or_default(),
        losses: losses(proof),
        scripts: scripts(&rollback.scripts),
    }
}

/// What its hand-written down script showed, where it has one and the proof came to it.
fn down(rehearsal: &Rehearsal, migration: &Migration, position: usize) -> Option<v1::MigrationDown> {
    let proof = rehearsal.downs.get(position)?.as_ref()?;
    let down = migration.down.as_ref()?;
    Some(v1::MigrationDown {
        verdict: proof.verdict(),
        file: down.file.name.clone(),
        line: down.file.position(down.start).line,
        differences: crate::check::told(down, proof),
        lines: proof.lines().to_vec(),
        with_lines: proof.with_lines(),
    })
}

fn losses(proof: Option<&RollbackProof>) -> Vec<v1::Loss> {
    let losses = proof.map(RollbackProof::losses).unwrap_or_default();
    losses.iter().map(|loss| v1::Loss { object: loss.object.clone(), rows: loss.rows }).collect()
}

fn scripts(scripts: &generate::Scripts) -> v1::Scripts {
    v1::Scripts {
        prepare: scripts.prepare.clone(),
        rollback: scripts.rollback.clone(),
        cleanup: scripts.cleanup.clone(),
    }
}

fn statement_of(rehearsal: &Rehearsal, migration: &Migration, statement: &Statement) -> v1::Statement {
    let written = &statement.file.text[statement.span.clone()];
    let observation = rehearsal.observation(statement.index);
    let failure = rehearsal.failure.as_ref().filter(|failure| failure.statement == statement.index);
    let (outcome, error) = match (observation.map(|observation| &observation.outcome), failure) {
        (_, Some(failure)) => (v1::Outcome::Failed, Some(&failure.error)),
        (Some(Outcome::Failed(error)), None) => (v1::Outcome::Failed, Some(error)),
        (Some(Outcome::Ok), None) => (v1::Outcome::Ok, None),
        (Some(Outcome::NotRun) | None, None) => (v1::Outcome::NotRun, None),
    };
    v1::Statement {
        index: statement.index,
        file: statement.file.name.clone(),
        line: statement.start().line,
        end_line: statement.end_line(),
        // What a program sent may hold values that it has read: as it was written down, they do not stand there.
        sql: if migration.layout == recorded::LAYOUT { written } else { statement.sql() }.to_owned(),
        outcome,
        sqlstate: error.filter(|error| error.result_code.is_none()).map(|error| error.sqlstate.clone()),
        code: error.and_then(|error| error.result_code).map(str::to_owned),
        error: error.map(|error| rehearsal.redactor.error_message(error, statement.sql())),
        duration_ms: observation.map_or(0.0, |observation| round(observation.duration_ms)),
        wal_bytes: observation.map_or(0, |observation| observation.wal_bytes),
        rows_affected: observation.map_or(0, |observation| observation.rows_affected),
        dead_rows: observation.map_or(0, |observation| observation.dead_rows),
        temp_bytes: observation.map_or(0, |observation| observation.temp_bytes),
        peak_bytes: observation.map_or(0, |observation| observation.peak_bytes),
        locks: observation.map(locks).unwrap_or_default(),
        rewritten: observation
            .map(|observation| observation.rewritten.iter().map(|work| work.name.clone()).collect())
            .unwrap_or_default(),
        scanned: observation
            .map(|observation| {
                let scan =
                    |work: &crate::observation::RelationWork| v1::Scan { relation: work.name.clone(), rows: work.rows };
                observation.scanned.iter().map(scan).collect()
            })
            .unwrap_or_default(),
        sqlite: observation.and_then(|observation| observation.embedded.as_ref()).map(|embedded| v1::SqliteStatement {
            in_transaction: embedded.in_transaction,
            foreign_keys: embedded.foreign_keys,
            pages_written: embedded.pages_written,
            vm_steps: embedded.vm_steps,
        }),
    }
}

/// Each name once in a mode: an index that is built again is two relations, and one to whoever reads.
fn locks(observation: &Observation) -> Vec<v1::Lock> {
    let mut told: BTreeMap<(&str, LockMode), &ObservedLock> = BTreeMap::new();
    for lock in observation.locks.iter().filter(|lock| lock.taken_here) {
        let known = told.entry((&lock.name, lock.mode)).or_insert(lock);
        if known.created_in_run && !lock.created_in_run {
            *known = lock;
        }
    }
    told.into_values()
        .map(|lock| v1::Lock {
            relation: lock.name.clone(),
            partitions: lock.partitions,
            mode: lock.mode.into(),
            held_ms: round(lock.held_ms),
            waited_ms: round(lock.waited_ms),
            blocks: lock.blocks().into_iter().filter_map(Traffic::from_name).collect(),
            observed: if lock.exact { Observed::Exact } else { Observed::Sampled },
        })
        .collect()
}

fn finding(rehearsal: &Rehearsal, finding: &Finding) -> v1::Finding {
    let place = finding.statement.and_then(|index| rehearsal.statement(index));
    let query = finding.query.as_deref().and_then(|name| rehearsal.queries.iter().find(|query| query.name == name));
    let (file, line, end_line, column) = match (place, query) {
        _ if finding.place.is_some() => {
            let (file, line) = finding.place.clone().unzip();
            (file, line, line, line.map(|_| 1))
        }
        (Some(statement), _) => {
            let start = statement.start();
            (Some(statement.file.name.clone()), Some(start.line), Some(statement.end_line()), Some(start.column))
        }
        (None, Some(query)) => {
            let start = query.file.position(query.offset);
            (Some(query.file.name.clone()), Some(start.line), Some(start.line), Some(start.column))
        }
        (None, None) => (None, None, None, None),
    };
    v1::Finding {
        id: finding.kind.id.to_owned(),
        severity: finding.severity,
        confidence: finding.confidence,
        message: finding.message.clone(),
        advice: finding.advice.clone(),
        fingerprint: v1::Finding::fingerprint(
            file.as_deref(),
            finding.kind.id,
            &finding.objects,
            finding.query.as_deref(),
        ),
        file,
        line,
        end_line,
        column,
        statement: finding.statement,
        suggestion: trials::suggestion(rehearsal, finding),
        query: finding.query.clone(),
        objects: finding.objects.clone(),
        evidence: match &finding.evidence {
            Value::Object(evidence) => evidence.clone(),
            _ => serde_json::Map::new(),
        },
        suppressed_by: finding.suppressed_by.clone(),
    }
}

fn index(entry: &IndexEntry) -> v1::IndexChange {
    let change = &entry.change;
    v1::IndexChange {
        // Both enumerations have the same closed list of names.
        change: v1::IndexChangeKind::from_name(change.kind.name()).unwrap_or(v1::IndexChangeKind::Redefined),
        name: change.name.clone(),
        table: change.table.clone(),
        definition_before: change.definition_before.clone(),
        definition_after: change.definition_after.clone(),
        bytes_before: change.bytes_before,
        bytes_after: change.bytes_after,
        used_by_before: change.used_by_before.clone(),
        used_by_after: change.used_by_after.clone(),
        statement: entry.statement,
    }
}

/// The way back. A script that was not proven is still shown, and the verdict says so.
fn rollback(rehearsal: &Rehearsal) -> v1::Rollback {
    let Some(rollback) = &rehearsal.rollback else {
        let not_run = v1::Comparison::NotRun;
        return v1::Rollback {
            verdict: RollbackVerdict::NotAttempted,
            proof: v1::Proof { schema: not_run, catalog: not_run, rows: not_run, plans: not_run, reapplied: not_run },
            differences: Vec::new(),
            losses: Vec::new(),
            conditions: Vec::new(),
            backup: v1::Backup::default(),
            scripts: v1::Scripts::default(),
        };
    };
    let proof = rollback.proof.as_ref();
    let part = |read: fn(&RollbackProof) -> v1::Comparison| proof.map_or(v1::Comparison::NotRun, read);
    v1::Rollback {
        verdict: rollback.verdict(),
        proof: v1::Proof {
            schema: part(RollbackProof::schema),
            catalog: part(RollbackProof::catalog),
            rows: part(RollbackProof::rows),
            plans: part(RollbackProof::plans),
            reapplied: part(RollbackProof::reapplied),
        },
        differences: rollback.differences(),
        losses: losses(proof),
        conditions: proof.map(|proof| proof.conditions().to_vec()).unwrap_or_default(),
        backup: v1::Backup {
            bytes: proof.and_then(RollbackProof::backup_bytes),
            duration_ms: proof.and_then(RollbackProof::backup_ms).map(round),
        },
        scripts: scripts(&rollback.scripts),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
