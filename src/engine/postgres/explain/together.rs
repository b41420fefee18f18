//! Many plans at the price of few round trips: all queries share a transaction, and each query is one string.
//!
//! Planning is repeated after every statement of a migration, and there the round trips are what it costs.

use super::reading::Reading;
use super::{
    CaptureOptions, PLAN, Planning, STATEMENT, capture_query, execute_statement, expression, forget, plannable,
    plannings, read_plan,
};
use crate::engine::ServerError;
use crate::engine::postgres::session::{Row, Session};
use crate::snapshot::plan::{Captured, PlanCapture, PlanKey, PlanMode};
use crate::workload::HotQuery;

/// Plans every query without running anything. What goes wrong with one is told as [`capture_query`] tells it.
pub(super) async fn plan_together<'a>(
    session: &mut Session,
    queries: impl IntoIterator<Item = &'a HotQuery>,
    options: &CaptureOptions<'_>,
) -> Vec<PlanCapture> {
    let mut shared = Shared { open: false, options };
    let mut reading = Reading::default();
    for query in queries {
        let planned = match script(query, options) {
            Some((script, keys)) => shared.plan(session, &script, keys.len()).await.zip(Some(keys)),
            None => None,
        };
        match planned {
            Some((rows, keys)) => reading.read(|| planned_only(keys, rows)),
            // By itself, so that each of its plans fails or works by itself.
            None => {
                if shared.close(session).await.is_err() {
                    shared.open = false;
                }
                reading.known(capture_query(session, query, options).await);
            }
        }
    }
    // A session that is gone by now has said so to each query.
    let _told = shared.close(session).await;
    reading.all().await
}

fn planned_only(keys: Vec<PlanKey>, rows: Vec<Row>) -> Vec<PlanCapture> {
    let plan =
        |row: Row| read_plan(row.first().and_then(Option::as_deref)).map_or_else(Captured::from, Captured::Planned);
    keys.into_iter().zip(rows).map(|(key, row)| PlanCapture { key, captured: plan(row) }).collect()
}

/// Whether a query runs under nothing of its own, and its text and values end where they should: whatever follows them in a
/// string is ours.
pub(super) fn fits_into_a_string(query: &HotQuery, options: &CaptureOptions<'_>) -> bool {
    let alone = !query.settings.is_empty()
        || query.search_path.is_some()
        || query.limits.query_ms.is_some()
        || (query.role.is_some() && options.assume_roles);
    let mut values = query.sets.iter().flat_map(|set| &set.values);
    !alone && plannable(&query.sql).is_ok() && values.all(|value| expression(value).is_ok())
}

/// All plans of a query in one string; each EXPLAIN answers with one row.
fn script(query: &HotQuery, options: &CaptureOptions<'_>) -> Option<(String, Vec<PlanKey>)> {
    if !fits_into_a_string(query, options) {
        return None;
    }
    let plannings = plannings(query);
    if query.parameters.is_empty() {
        return Some((format!("EXPLAIN ({PLAN}) {}", query.sql), keys(plannings)));
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
    Some((script, keys(plannings)))
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
    /// A row for each plan. `None` where anything went wrong: nothing of it is left then.
    async fn plan(&mut self, session: &mut Session, script: &str, plans: usize) -> Option<Vec<Row>> {
        self.begin(session).await.ok()?;
        let Ok(rows) = session.query(script).await else {
            self.close(session).await.ok()?;
            forget(session).await.ok()?;
            return None;
        };
        Some(rows.rows).filter(|rows| rows.len() == plans)
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
