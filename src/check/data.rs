//! Data that is gone once the migration ran: `data/*`, counted on a copy before it ran.

use super::{Finding, count};
use crate::config::Thresholds;
use crate::rehearsal::Rehearsal;
use serde_json::json;

pub(super) fn check(rehearsal: &Rehearsal, _: &Thresholds) -> Vec<Finding> {
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
                "data/destroyed",
                destroyed.statement,
                vec![destroyed.object.clone()],
                message,
                "run prepare.sql before the migration: it saves what rollback.sql needs to bring this back".to_owned(),
            )
            .with(json!({ "rows": destroyed.rows, "table": destroyed.table, "what": destroyed.what }))
        })
        .collect()
}
