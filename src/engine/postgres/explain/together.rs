//! Many plans at the price of few round trips: all queries share a transaction, and each query is one string.
//!
//! Planning is repeated after every statement of a migration, and there the round trips are what it costs.

use super::{
    CaptureOptions, PLAN, Planning, STATEMENT, capture_query, execute_statement, expression, plan_of, plannable,
    plannings,
};
use crate::engine::ServerError;
use crate::engine::postgres::session::{Rows, Session};
use crate::snapshot::plan::{Captured, PlanCapture, PlanMode};
use crate::workload::HotQuery;

/// Plans every query without running anything. What goes wrong with one is told as [`capture_query`] tells it.
pub(super) async fn plan_together<'a>(
    session: &mut Session,
    queries: impl IntoIterator<Item = &'a HotQuery>,
    options: &CaptureOptions<'_>,
) -> Vec<PlanCapture> {
    let mut shared = Shared { open: false, options };
    let mut captures = Vec::new();
    for query in queries {
        let planned = match script(query, options) {
            Some((script, plannings)) => shared.plan(session, &script, plannings).await,
            None => None,
        };
        match planned {
            Some(planned) => captures.extend(planned),
            // By itself, so that each of its plans fails or works by itself.
            None => {
                if shared.close(session).await.is_err() {
                    shared.open = false;
                }
                captures.extend(capture_query(session, query, options).await);
            }
        }
    }
    // A session that is gone by now has said so to each query.
    let _told = shared.close(session).await;
    captures
}

/// All plans of a query in one string, if it runs under nothing of its own; each EXPLAIN answers with one row.
fn script<'a>(query: &'a HotQuery, options: &CaptureOptions<'_>) -> Option<(String, Vec<Planning<'a>>)> {
    let alone = !query.settings.is_empty()
        || query.search_path.is_some()
        || query.limits.query_ms.is_some()
        || (query.role.is_some() && options.assume_roles);
    let plannings = plannings(query);
    let values = plannings.iter().flat_map(|planning| planning.values.unwrap_or_default());
    if alone || plannable(&query.sql).is_err() || values.into_iter().any(|value| expression(value).is_err()) {
        return None;
    }
    if query.parameters.is_empty() {
        return Some((format!("EXPLAIN ({PLAN}) {}", query.sql), plannings));
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
    Some((script, plannings))
}

/// The transaction, or the savepoint in the caller's, that queries share until one of them fails.
struct Shared<'a> {
    open: bool,
    options: &'a CaptureOptions<'a>,
}

impl Shared<'_> {
    /// `None` where anything went wrong: nothing of it is left then.
    async fn plan(
        &mut self,
        session: &mut Session,
        script: &str,
        plannings: Vec<Planning<'_>>,
    ) -> Option<Vec<PlanCapture>> {
        self.begin(session).await.ok()?;
        let Ok(rows) = session.query(script).await else {
            self.close(session).await.ok()?;
            // PREPARE is not undone by a rollback.
            let left = format!("SELECT FROM pg_catalog.pg_prepared_statements WHERE name = '{STATEMENT}'");
            if !session.query(&left).await.ok()?.rows.is_empty() {
                session.execute(&format!("DEALLOCATE {STATEMENT}")).await.ok()?;
            }
            return None;
        };
        if rows.rows.len() != plannings.len() {
            return None;
        }
        let mut captures = Vec::new();
        for (planning, row) in plannings.into_iter().zip(rows.rows) {
            let plan = plan_of(&Rows { rows: vec![row], ..Rows::default() }).ok()?;
            captures.push(PlanCapture { key: planning.key, captured: Captured::Planned(plan) });
        }
        Some(captures)
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
