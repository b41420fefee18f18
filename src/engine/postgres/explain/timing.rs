//! The time a query takes before and after, in turns: two copies side by side, so that whatever else the machine does
//! hits both alike.

use super::{CaptureOptions, Failure, STATEMENT, execute_statement, expression, plannable, plannings, prepare};
use crate::engine::postgres::session::Session;
use crate::snapshot::plan::PlanKey;
use crate::workload::HotQuery;
use serde_json::Value;

const TIME: &str = "ANALYZE, BUFFERS OFF, TIMING OFF, SUMMARY ON, FORMAT JSON";

/// Times of one query, in milliseconds; the same place in both lists is one turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Turns {
    /// On the copy without the migration.
    pub before: Vec<f64>,
    /// On the migrated and settled one.
    pub after: Vec<f64>,
}

/// Runs one query `turns` times on both sides after one run on each that warms up, read-only; which side goes first
/// changes with each turn. `None` where the query has no such plan, or cannot be run to its end on both sides.
pub async fn take_turns(
    (before, after): (&mut Session, &mut Session),
    query: &HotQuery,
    key: &PlanKey,
    options: &CaptureOptions<'_>,
    turns: usize,
) -> Option<Turns> {
    let planning = plannings(query).into_iter().find(|each| each.key == *key && each.values.is_some())?;
    let checked = planning.values.unwrap_or_default().iter().all(|value| expression(value).is_ok());
    if !checked || plannable(&query.sql).is_err() {
        return None;
    }
    let execute = execute_statement(query, &planning);
    let mut prepared = [false; 2];
    let mut sessions = [before, after];
    let taken = async {
        for (session, prepared) in sessions.iter_mut().zip(&mut prepared) {
            session.execute("BEGIN TRANSACTION READ ONLY").await?;
            prepare(session, query, key.mode, options).await?;
            *prepared = true;
            time(session, &execute).await?;
        }
        let mut times: [Vec<f64>; 2] = Default::default();
        for turn in 0..turns {
            for side in [turn % 2, 1 - turn % 2] {
                times[side].push(time(sessions[side], &execute).await?);
            }
        }
        Ok::<_, Failure>(times)
    }
    .await;
    for (session, prepared) in sessions.iter_mut().zip(prepared) {
        let deallocate = if prepared { format!("; DEALLOCATE {STATEMENT}") } else { String::new() };
        session.execute(&format!("ROLLBACK{deallocate}")).await.ok()?;
    }
    // A refusal or a run that was cut off is the verdict's business, which has it from the measured run.
    let [before, after] = taken.ok()?;
    Some(Turns { before, after })
}

/// `Execution Time` of one run, in milliseconds.
async fn time(session: &mut Session, execute: &str) -> Result<f64, Failure> {
    let rows = session.query(&format!("EXPLAIN ({TIME}) {execute}")).await?;
    let missing = |message: String| Failure { sqlstate: String::new(), message };
    let answer: Value =
        serde_json::from_str(rows.scalar().unwrap_or_default()).map_err(|error| missing(error.to_string()))?;
    let items = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    let times: Option<f64> = items.iter().map(|item| item.get("Execution Time").and_then(Value::as_f64)).sum();
    times.ok_or_else(|| missing("EXPLAIN's answer has no Execution Time".to_owned()))
}
