//! What the database's own checks say after a run and did not before.

use super::{Answer, Check, Finding, Kind, Rehearsal, Severity, Thresholds, count, examples};
use crate::observation::embedded::Orphans;
use crate::report::human::plural;
use serde_json::json;

/// What this file finds.
pub(in crate::check) const CHECK: Check = Check { kinds: &[&INTEGRITY], find };

const INTEGRITY: Kind = Kind::new(
    "sqlite/integrity",
    Severity::Error,
    Answer::Applies,
    "
        After the run `PRAGMA foreign_key_check` counts rows that refer to rows which are not there, more than before it; or
        `PRAGMA integrity_check` says something it did not say before. SQLite does neither by itself, and with foreign keys off
        nothing else speaks up.
    ",
)
.with(examples!("sqlite/integrity"));

fn find(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
    let Some((facts, after)) =
        rehearsal.embedded.as_ref().and_then(|facts| Some((facts, facts.checks_after.as_ref()?)))
    else {
        return Vec::new();
    };
    let before = &facts.checks_before;
    let mut findings: Vec<Finding> =
        after.foreign_keys.iter().filter_map(|now| orphans(&before.foreign_keys, now)).collect();
    let new: Vec<&String> = after.integrity.iter().filter(|line| !before.integrity.contains(line)).collect();
    if let Some(first) = new.first() {
        findings.push(
            Finding::measured(
                &INTEGRITY,
                None,
                Vec::new(),
                format!(
                    "the database is damaged after the run: {}",
                    if new.len() == 1 {
                        (*first).clone()
                    } else {
                        format!("{first}, and {} more", plural(new.len() - 1, "message"))
                    }
                ),
                "see with PRAGMA integrity_check on a copy which statement does it; writable_schema is the usual cause"
                    .to_owned(),
            )
            .with(json!({ "messages": new })),
        );
    }
    findings
}

fn orphans(before: &[Orphans], now: &Orphans) -> Option<Finding> {
    let was = before.iter().find(|was| was.table == now.table && was.references == now.references);
    let was = was.map_or(0, |was| was.rows);
    let more = now.rows.checked_sub(was).filter(|more| *more > 0)?;
    let verb = if more == 1 { "row of" } else { "rows of" };
    let refer = if more == 1 { "refers" } else { "refer" };
    let rest = if was > 0 { format!(" (and {} did before)", count(was)) } else { String::new() };
    Some(
        Finding::measured(
            &INTEGRITY,
            None,
            vec![now.table.clone(), now.references.clone()],
            format!(
                "{} {verb} {} {refer} to rows of {} that are not there after the run{rest}",
                count(more),
                now.table,
                now.references
            ),
            "run PRAGMA foreign_key_check before the COMMIT; mend or delete these rows in the same migration"
                .to_owned(),
        )
        .with(json!({ "table": now.table, "references": now.references, "rows": now.rows, "rows_before": was })),
    )
}
