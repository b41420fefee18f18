//! Can it be undone: `rollback/*`, from the run of the scripts alone.

use super::{Answer, Check, Finding, Kind, Severity, examples};
use crate::config::Thresholds;
use crate::observation::Observation;
use crate::rehearsal::Rehearsal;
use crate::report::v1::RollbackVerdict;
use serde_json::json;

/// What this file finds.
pub(super) const CHECK: Check = Check { kinds: &[&IRREVERSIBLE, &ROWS_LOST, &UNMODELLED], find };

const IRREVERSIBLE: Kind = Kind::new(
    "rollback/irreversible",
    Severity::Warning,
    Answer::Undoable,
    "
        `rollback.sql` was run on a copy and does not bring the schema back, or it failed there. Nor is everything back where hot
        queries are planned otherwise than before although tables were vacuumed and statistics put back, or where migrating once
        more gives something else. What differs is in the evidence and in `rollback.differences` of the report.
    ",
)
.with(examples!("rollback/irreversible"));

const ROWS_LOST: Kind = Kind::new(
    "rollback/rows-lost",
    Severity::Warning,
    Answer::Undoable,
    "
        After the migration and `rollback.sql`, rows of the copy are not what they were: even with `prepare.sql` run before,
        something does not come back.
    ",
)
.with(examples!("rollback/rows-lost"));

const UNMODELLED: Kind = Kind::new(
    "rollback/unmodelled",
    Severity::Warning,
    Answer::Undoable,
    "
        The migration changes something that no rollback is written for; `rollback.sql` leaves it out and says so. Or, after
        `rollback.sql`, rows of the system catalogs differ from before in something Seatrial does not understand: catalog, object
        and column are named. Such a rollback never counts as exact.
    ",
)
.with(examples!("rollback/unmodelled"));

fn find(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    let Some(rollback) = &rehearsal.rollback else { return Vec::new() };
    let Some(proof) = &rollback.proof else { return Vec::new() };
    let mut findings = Vec::new();
    let differences = proof.differences();
    match rollback.verdict() {
        RollbackVerdict::Irreversible => findings.push(
            Finding::measured(
                &IRREVERSIBLE,
                None,
                Vec::new(),
                format!("rollback.sql does not bring the state before back: {}", some(&differences)),
                "read what differs, complete the script by hand and rehearse it, or plan the way forward instead"
                    .to_owned(),
            )
            .with(json!({ "differences": differences })),
        ),
        RollbackVerdict::RowsLost => {
            for (table, difference) in proof.differing_rows() {
                findings.push(
                    Finding::measured(
                        &ROWS_LOST,
                        writer(rehearsal, table),
                        vec![table.to_owned()],
                        format!("rows are not as before once rollback.sql ran: {difference}"),
                        "put these rows right by hand after the rollback, or do without the way back".to_owned(),
                    )
                    .with(json!({ "difference": difference })),
                );
            }
        }
        _ => {}
    }
    if !rollback.scripts.unmodelled.is_empty() {
        findings.push(
            Finding::measured(
                &UNMODELLED,
                None,
                Vec::new(),
                format!(
                    "rollback.sql leaves out what it does not know how to undo: {}",
                    some(&rollback.scripts.unmodelled)
                ),
                "add the statements by hand and rehearse them".to_owned(),
            )
            .with(json!({ "unmodelled": rollback.scripts.unmodelled })),
        );
    }
    let unknown = proof.unmodelled_catalog();
    if !unknown.is_empty() {
        findings.push(
            Finding::measured(
                &UNMODELLED,
                None,
                Vec::new(),
                format!("after rollback.sql the system catalogs differ in what is not understood: {}", some(unknown)),
                "find out what these catalog columns mean for you, and complete the script by hand".to_owned(),
            )
            .with(json!({ "catalogs": unknown })),
        );
    }
    findings
}

/// The last statement that wrote to a table.
fn writer(rehearsal: &Rehearsal, table: &str) -> Option<usize> {
    let wrote = |observation: &&Observation| {
        let mut works = observation.changed.iter().chain(&observation.inserted).chain(&observation.deleted);
        works.any(|work| work.name == table)
    };
    rehearsal.observations.iter().rfind(wrote).map(|observation| observation.statement)
}

/// The first few, and how many more.
pub(super) fn some(items: &[String]) -> String {
    let shown = items.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
    match items.len().saturating_sub(3) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}
