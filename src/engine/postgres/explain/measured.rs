//! Plans and runs at the price of few round trips: a query's transaction stands in one string, from BEGIN to ROLLBACK, with
//! those of others behind it.
//!
//! A string ends with the first thing that is refused. What it answered until then counts; what was to come after it of the
//! same query gets a transaction of its own, and the others another string.

use super::reading::Reading;
use super::string::{Part, QUERIES_AT_ONCE, Said, ask, fits};
use super::{
    CaptureOptions, Failure, MEASURE, PLAN, Planning, Run, STATEMENT, broken_off, capture_plannings, capture_query,
    execute_statement, forget, plannings, ran, read_plan,
};
use crate::engine::ServerError;
use crate::engine::postgres::session::Session;
use crate::snapshot::plan::{Captured, PlanCapture, PlanKey, PlanMode};
use crate::workload::HotQuery;
use std::collections::VecDeque;

/// Plans every query and runs what only reads. What goes wrong with one is told as [`capture_query`] tells it.
pub(super) async fn measure_together<'a>(
    session: &mut Session,
    queries: impl IntoIterator<Item = &'a HotQuery>,
    options: &CaptureOptions<'_>,
) -> Vec<PlanCapture> {
    let mut reading = Reading::default();
    let mut waiting: VecDeque<&HotQuery> = queries.into_iter().collect();
    while let Some(first) = waiting.front().copied() {
        // In a transaction of the caller's, what is refused takes a savepoint to come back from.
        if options.inside_transaction || !fits(first, options) {
            reading.known(capture_query(session, first, options).await);
            waiting.pop_front();
            continue;
        }
        let together = waiting.iter().take(QUERIES_AT_ONCE).take_while(|query| fits(query, options));
        let asked: Vec<Asked<'_>> = together.map(|query| Asked::of(query, options)).collect();
        let (said, refused) = ask(session, asked.iter().map(|asked| &asked.part)).await;
        let mut said = said.into_iter();
        for asked in asked {
            waiting.pop_front();
            let said = said.next().unwrap_or_default();
            if said.len() == asked.part.values {
                let answers = asked.answers(said);
                reading.read(|| read(answers));
                continue;
            }
            // The string ended here: what comes after it is asked anew.
            if refused.is_err() && session.execute("ROLLBACK").await.is_ok() {
                // A session that is gone says so to whatever comes next.
                let _told = forget(session).await;
            }
            let query = asked.query;
            let mut answers = asked.answers(said);
            let left = plannings(query).into_iter().skip(answers.len());
            // Where its plan is known, it was a run that was refused; where it is not, it is asked for once more.
            if let Some(last) = answers.last_mut().filter(|last| last.said.len() <= last.run.times()) {
                last.refused = refused.err();
            }
            reading.read(|| read(answers));
            reading.known(capture_plannings(session, query, left, options).await);
            break;
        }
    }
    reading.all().await
}

/// One query in a string: how it is planned, and how often each plan is run.
struct Asked<'a> {
    query: &'a HotQuery,
    plannings: Vec<(Planning<'a>, Run)>,
    part: Part,
}

impl<'a> Asked<'a> {
    fn of(query: &'a HotQuery, options: &CaptureOptions<'_>) -> Self {
        let run = |planning: Planning<'a>| {
            let run = Run::of(&planning, options);
            (planning, run)
        };
        let plannings: Vec<(Planning<'a>, Run)> = plannings(query).into_iter().map(run).collect();
        let part = Part {
            script: transaction(query, &plannings, options),
            values: plannings.iter().map(|(_, run)| 1 + run.times()).sum(),
        };
        Self { query, plannings, part }
    }

    /// The answer of each planning that was answered at all.
    fn answers(self, said: Said) -> Vec<Answer> {
        let mut values = said.into_iter();
        let answer = |(planning, run): (Planning<'a>, Run)| Answer {
            key: planning.key,
            run,
            said: values.by_ref().take(1 + run.times()).collect(),
            refused: None,
        };
        self.plannings.into_iter().map(answer).take_while(|answer| !answer.said.is_empty()).collect()
    }
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
fn transaction(query: &HotQuery, plannings: &[(Planning<'_>, Run)], options: &CaptureOptions<'_>) -> String {
    let timeout = options.statement_timeout.as_millis().max(1);
    // A comment at the end of the query's text must not swallow what follows.
    let mut script = format!(
        "BEGIN TRANSACTION READ ONLY; SET LOCAL plan_cache_mode = force_custom_plan; \
         SET LOCAL statement_timeout = {timeout}; {}\n",
        query.prepare(STATEMENT)
    );
    for (planning, run) in plannings {
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
