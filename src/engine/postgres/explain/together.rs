//! Many plans at the price of few round trips: all queries share a transaction, and several stand in one
//! string.
//!
//! Planning is repeated after every statement of a migration, and there the round trips are what it costs.

use super::reading::Reading;
use super::string::{Part, QUERIES_AT_ONCE, Said, ask, fits};
use super::{
    CaptureOptions, PLAN, Planning, STATEMENT, capture_query, execute_statement, forget, plannings, read_plan,
};
use crate::engine::ServerError;
use crate::engine::postgres::session::Session;
use crate::snapshot::plan::{Captured, PlanCapture, PlanKey, PlanMode};
use crate::workload::HotQuery;
use std::collections::VecDeque;

/// Plans every query without running anything. What goes wrong with one is told as [`capture_query`] tells it.
pub(super) async fn plan_together<'a>(
    session: &mut Session,
    queries: impl IntoIterator<Item = &'a HotQuery>,
    options: &CaptureOptions<'_>,
) -> Vec<PlanCapture> {
    let mut shared = Shared { open: false, options };
    let mut reading = Reading::default();
    let mut waiting: VecDeque<&HotQuery> = queries.into_iter().collect();
    while !waiting.is_empty() {
        let together = waiting.iter().take(QUERIES_AT_ONCE).take_while(|query| fits(query, options));
        let asked: Vec<(Vec<PlanKey>, Part)> = together.map(|query| part(query)).collect();
        let all = asked.len();
        let said = shared.plan(session, &asked).await;
        let whole = said.into_iter().zip(asked).take_while(|(said, (_, part))| said.len() == part.values);
        let whole: Vec<_> = whole.map(|(said, (keys, _))| (said, keys)).collect();
        let planned = whole.len();
        waiting.drain(..planned);
        if planned > 0 {
            reading.read(|| whole.into_iter().flat_map(|(said, keys)| planned_only(keys, said)).collect());
        }
        // By itself, so that each of its plans fails or works by itself.
        if (planned < all || all == 0)
            && let Some(query) = waiting.pop_front()
        {
            shared.abandon(session).await;
            reading.known(capture_query(session, query, options).await);
        }
    }
    // A session that is gone by now has said so to each query.
    let _told = shared.close(session).await;
    reading.all().await
}

fn planned_only(keys: Vec<PlanKey>, said: Said) -> Vec<PlanCapture> {
    let plan = |json: Option<String>| read_plan(json.as_deref()).map_or_else(Captured::from, Captured::Planned);
    keys.into_iter().zip(said).map(|(key, json)| PlanCapture { key, captured: plan(json) }).collect()
}

/// All plans of a query.
fn part(query: &HotQuery) -> (Vec<PlanKey>, Part) {
    let plannings = plannings(query);
    let values = plannings.len();
    if query.parameters.is_empty() {
        return (keys(plannings), Part { script: format!("EXPLAIN ({PLAN}) {}", query.sql), values });
    }
    // A comment at the end of the query's text must not swallow what follows.
    let mut script = format!("{}\n", query.prepare(STATEMENT));
    for planning in &plannings {
        let execute = execute_statement(query, planning);
        script.push_str(&match planning.key.mode {
            PlanMode::Custom => format!("; EXPLAIN ({PLAN}) {execute}"),
            PlanMode::Generic => format!(
                "; SET LOCAL plan_cache_mode = force_generic_plan; EXPLAIN ({PLAN}) {execute}; \
                 SET LOCAL plan_cache_mode = force_custom_plan"
            ),
        });
    }
    script.push_str(&format!("; DEALLOCATE {STATEMENT}"));
    (keys(plannings), Part { script, values })
}

fn keys(plannings: Vec<Planning<'_>>) -> Vec<PlanKey> {
    plannings.into_iter().map(|planning| planning.key).collect()
}

/// The transaction, or the savepoint in the caller's, that queries share until one of them fails.
struct Shared<'a> {
    open: bool,
    options: &'a CaptureOptions<'a>,
}

impl Shared<'_> {
    /// What was said to each part, as far as the server came. Where anything went wrong, nothing is left of it.
    async fn plan(&mut self, session: &mut Session, asked: &[(Vec<PlanKey>, Part)]) -> Vec<Said> {
        if asked.is_empty() || self.begin(session).await.is_err() {
            return Vec::new();
        }
        let (said, refused) = ask(session, asked.iter().map(|(_, part)| part)).await;
        if refused.is_err() {
            self.abandon(session).await;
            let _told = forget(session).await;
        }
        said
    }

    /// A session that is gone says so to whatever comes next.
    async fn abandon(&mut self, session: &mut Session) {
        let _told = self.close(session).await;
    }

    async fn begin(&mut self, session: &mut Session) -> Result<(), ServerError> {
        if self.open {
            return Ok(());
        }
        // In a string of its own: a syntax error takes back all of the string it stands in.
        let begin = match self.options.inside_transaction {
            true => "SAVEPOINT seatrial_plans; SET LOCAL transaction_read_only = on",
            false => "BEGIN TRANSACTION READ ONLY",
        };
        let timeout = self.options.statement_timeout.as_millis().max(1);
        session
            .execute(&format!(
                "{begin}; SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL statement_timeout = {timeout}"
            ))
            .await?;
        self.open = true;
        Ok(())
    }

    async fn close(&mut self, session: &mut Session) -> Result<(), ServerError> {
        if std::mem::take(&mut self.open) {
            let end = match self.options.inside_transaction {
                true => "ROLLBACK TO SAVEPOINT seatrial_plans; RELEASE SAVEPOINT seatrial_plans",
                false => "ROLLBACK",
            };
            session.execute(end).await?;
        }
        Ok(())
    }
}
