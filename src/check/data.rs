//! Data that is gone once the migration ran: `data/*`, counted on a copy before it ran.

use super::{Answer, Check, Finding, Kind, Severity, count, examples};
use crate::config::Thresholds;
use crate::rehearsal::{Rehearsal, cause};
use crate::snapshot::catalog::qualify_column;
use serde_json::json;

/// What this file finds.
pub(super) const CHECK: Check = Check { kinds: &[&DESTROYED, &NARROWED], find };

const DESTROYED: Kind = Kind::new(
    "data/destroyed",
    Severity::Warning,
    Answer::Undoable,
    "
        Values are gone once the migration has run: dropped columns and tables, deleted or truncated rows. They were counted
        on the copy.
    ",
)
.with(examples!("data/destroyed"));

const NARROWED: Kind = Kind::new(
    "data/narrowed",
    Severity::Warning,
    Answer::Undoable,
    "
        A change of type loses part of each value, such as the time of day when a timestamp becomes a date. Counted by the
        proof: values that differ once `rollback.sql` ran without `prepare.sql`.
    ",
)
.with(examples!("data/narrowed"));

fn find(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    let mut findings = destroyed(rehearsal);
    findings.extend(narrowed(rehearsal));
    findings
}

fn destroyed(rehearsal: &Rehearsal) -> Vec<Finding> {
    rehearsal
        .destroyed
        .iter()
        .filter(|destroyed| destroyed.rows > 0)
        .map(|destroyed| {
            let rows = count(destroyed.rows);
            let message = match destroyed.what {
                "column" => format!("{rows} values of {} are gone", destroyed.object),
                "deleted rows" => format!("{rows} rows of {} are deleted", destroyed.object),
                "truncated rows" => format!("all {rows} rows of {} are gone", destroyed.object),
                _ => format!("{} is gone with its {rows} rows", destroyed.object),
            };
            Finding::measured(
                &DESTROYED,
                destroyed.statement,
                vec![destroyed.object.clone()],
                message,
                "run prepare.sql before the migration: it saves what rollback.sql needs to bring this back".to_owned(),
            )
            .with(json!({ "rows": destroyed.rows, "table": destroyed.table, "what": destroyed.what }))
        })
        .collect()
}

/// Columns that stay, with values that do not: what the proof found different without a backup.
fn narrowed(rehearsal: &Rehearsal) -> Vec<Finding> {
    let (Some(before), Some(after)) = (&rehearsal.before, &rehearsal.right_after) else { return Vec::new() };
    let losses =
        rehearsal.rollback.iter().filter_map(|rollback| rollback.proof.as_ref()).flat_map(|proof| proof.losses());
    let losses: Vec<_> = losses.filter(|loss| loss.rows > 0).collect();
    let mut findings = Vec::new();
    for ((oid, number), old) in &before.catalog.columns {
        let (Some(new), Some(table)) = (after.catalog.columns.get(&(*oid, *number)), before.catalog.relations.get(oid))
        else {
            continue;
        };
        let object = qualify_column(&table.qualified, &old.name);
        let Some(loss) = losses.iter().find(|loss| loss.object == object && new.type_name != old.type_name) else {
            continue;
        };
        // Values of rows that were deleted are not lost by the change of type, and told elsewhere.
        let gone = rehearsal.destroyed.iter().filter(|destroyed| destroyed.object == table.qualified);
        let gone: u64 = gone.map(|destroyed| destroyed.rows).sum();
        let rows = loss.rows.saturating_sub(gone);
        if rows == 0 {
            continue;
        }
        findings.push(
            Finding::measured(
                &NARROWED,
                cause::statement_for(rehearsal, Some(*oid), &[&old.name]),
                vec![object.clone()],
                format!(
                    "{}{} values of {object} do not survive the change from {} to {}",
                    if gone > 0 { "at least " } else { "" },
                    count(rows),
                    old.type_name,
                    new.type_name
                ),
                "run prepare.sql before the migration: it saves the values as they are now".to_owned(),
            )
            .with(json!({ "rows": rows, "from": old.type_name, "to": new.type_name })),
        );
    }
    findings
}
