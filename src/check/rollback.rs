//! Can it be undone: `rollback/*`, from the run of the scripts alone.

use super::{Finding, count};
use crate::config::Thresholds;
use crate::rehearsal::{Rehearsal, cause};
use crate::report::v1::RollbackVerdict;
use serde_json::json;

pub(super) fn check(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    let Some(rollback) = &rehearsal.rollback else { return Vec::new() };
    let Some(proof) = &rollback.proof else { return Vec::new() };
    let mut findings = Vec::new();
    let differences = proof.differences();
    match rollback.verdict() {
        RollbackVerdict::Irreversible => findings.push(
            Finding::measured(
                "rollback/irreversible",
                None,
                Vec::new(),
                format!("rollback.sql does not bring the state before back: {}", some(&differences)),
                "read what differs, complete the script by hand and rehearse it, or plan the way forward instead"
                    .to_owned(),
            )
            .with(json!({ "differences": differences })),
        ),
        RollbackVerdict::RowsLost => {
            for loss in proof.losses() {
                findings.push(
                    Finding::measured(
                        "rollback/rows-lost",
                        cause::statement_for(rehearsal, None, &[loss.object.rsplit('.').next().unwrap_or_default()]),
                        vec![loss.object.clone()],
                        format!("{} rows of {} do not come back", count(loss.rows), loss.object),
                        "save them by hand before the migration, or do without the way back".to_owned(),
                    )
                    .with(json!({ "rows": loss.rows })),
                );
            }
            if proof.losses().is_empty() {
                findings.push(
                    Finding::measured(
                        "rollback/rows-lost",
                        None,
                        Vec::new(),
                        format!("rows are not as before once rollback.sql ran: {}", some(&differences)),
                        "save them by hand before the migration, or do without the way back".to_owned(),
                    )
                    .with(json!({ "differences": differences })),
                );
            }
        }
        _ => {}
    }
    if !rollback.scripts.unmodelled.is_empty() {
        findings.push(
            Finding::measured(
                "rollback/unmodelled",
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
    findings
}

/// The first few, and how many more.
fn some(items: &[String]) -> String {
    let shown = items.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
    match items.len().saturating_sub(3) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}
