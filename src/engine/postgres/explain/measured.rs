//! Plans and runs at the price of one round trip for each query: its transaction is one string, from BEGIN to ROLLBACK.
//!
//! A string ends with the first thing that is refused. What it answered until then counts, and what was to come after it
//! gets a transaction of its own.

use super::reading::Reading;
use super::together::fits_into_a_string;
use super::{
    CaptureOptions, Failure, MEASURE, PLAN, Planning, Run, STATEMENT, broken_off, capture_plannings, capture_query,
    execute_statement, forget, plannings, ran, read_plan,
};
use crate::engine::ServerError;
use crate::engine::postgres::session::Session;
use crate::snapshot::plan::{Captured, PlanCapture, PlanKey, PlanMode};
use crate::workload::HotQuery;

/// Plans every query and runs what only reads. What goes wrong with one is told as [`capture_query`] tells it.
pub(super) async fn measure_together<'a>(
    session: &mut Session,
    queries: impl IntoIterator<Item = &'a HotQuery>,
    options: &CaptureOptions<'_>,
) -> Vec<PlanCapture> {
    let mut reading = Reading::default();
    for query in queries {
        // In a transaction of the caller's, what is refused takes a savepoint to come back from.
        if options.inside_transaction || !fits_into_a_string(query, options) {
            reading.known(capture_query(session, query, options).await);
            continue;
        }
        let plannings = plannings(query);
        let runs: Vec<Run> = plannings.iter().map(|planning| Run::of(planning, options)).collect();
        let (rows, refused) = session.query_as_far_as_it_goes(&transaction(query, &plannings, &runs, options)).await;
        let mut values = rows.rows.into_iter().map(|row| row.into_iter().next().flatten());
        let mut answers = Vec::new();
        for (planning, run) in plannings.iter().zip(&runs) {
            let said: Vec<Option<String>> = values.by_ref().take(1 + run.times()).collect();
            if said.is_empty() {
                break;
            }
            answers.push(Answer { key: planning.key.clone(), run: *run, said, refused: None });
        }
        let left = plannings.into_iter().skip(answers.len());
        if let Err(error) = refused {
            // A session that is gone says so to whatever comes next.
            if session.execute("ROLLBACK").await.is_ok() {
                let _told = forget(session).await;
            }
            // Where its plan is known, it was a run that was refused; where it is not, it is asked for once more.
            if let Some(last) = answers.last_mut().filter(|last| last.said.len() <= last.run.times()) {
                last.refused = Some(error);
            }
        }
        reading.read(|| read(answers));
        reading.known(capture_plannings(session, query, left, options).await);
    }
    reading.all().await
}

/// What was answered for one planning: its plan, and the plan of each run.
struct Answer {
    key: PlanKey,
    run: Run,
    said: Vec<Option<String>>,
    /// Why a run is missing.
    refused: Option<ServerError>,
}

fn read(answers: Vec<Answer>) -> Vec<PlanCapture> {
    answers
        .into_iter()
        .map(|answer| {
            let captured = captured(answer.run, &answer.said, answer.refused).unwrap_or_else(Captured::from);
            PlanCapture { key: answer.key, captured }
        })
        .collect()
}

fn captured(run: Run, said: &[Option<String>], refused: Option<ServerError>) -> Result<Captured, Failure> {
    let plan = read_plan(said.first().and_then(Option::as_deref))?;
    match (refused, run.times()) {
        (Some(error), _) => broken_off(plan, error.into()),
        (None, 0) => Ok(run.not_run(plan)),
        (None, _) => Ok(ran(plan, read_plan(said.last().and_then(Option::as_deref))?)),
    }
}

/// Everything that is asked of a query; each EXPLAIN answers with one row.
fn transaction(query: &HotQuery, plannings: &[Planning<'_>], runs: &[Run], options: &CaptureOptions<'_>) -> String {
    let timeout = options.statement_timeout.as_millis().max(1);
    // A comment at the end of the query's text must not swallow what follows.
    let mut script = format!(
        "BEGIN TRANSACTION READ ONLY; SET LOCAL plan_cache_mode = force_custom_plan; \
         SET LOCAL statement_timeout = {timeout}; {}\n",
        query.prepare(STATEMENT)
    );
    for (planning, run) in plannings.iter().zip(runs) {
        if planning.key.mode == PlanMode::Generic {
            script.push_str("; SET LOCAL plan_cache_mode = force_generic_plan");
        }
        let execute = execute_statement(query, planning);
        for options in std::iter::once(PLAN).chain(std::iter::repeat_n(MEASURE, run.times())) {
            script.push_str(&format!("; EXPLAIN ({options}) {execute}"));
        }
    }
    script.push_str(&format!("; ROLLBACK; DEALLOCATE {STATEMENT}"));
    script
}
