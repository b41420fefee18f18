//! Which statement changed which plan: plans the changed queries again after each statement, in its transaction. What
//! changed its work and not its plan is run as well.

use super::apply::{Moment, Ran, Watch};
use super::explain::{self, CaptureOptions};
use super::session::Session;
use crate::engine::ServerError;
use crate::migration::script::StatementKind;
use crate::snapshot::plan::PlanCapture;
use crate::workload::HotQuery;
use std::collections::BTreeSet;
use std::time::Duration;

/// A watcher that plans queries after each statement. Copies it runs on are thrown away, so it may use savepoints.
#[derive(Debug)]
pub struct Attributor<'run> {
    queries: &'run [HotQuery],
    /// Names of those that are run.
    run: &'run BTreeSet<String>,
    /// How long one run may take.
    statement_timeout: Duration,
    /// After each statement: its index and the plans it left. The first entry, index 0, is the state before all.
    pub steps: Vec<(usize, Vec<PlanCapture>)>,
}

impl<'run> Attributor<'run> {
    /// Will plan `queries`, and run those whose names are in `run`. The migration's role must be able to become the role of
    /// each query.
    pub fn new(queries: &'run [HotQuery], run: &'run BTreeSet<String>, statement_timeout: Duration) -> Self {
        Self { queries, run, statement_timeout, steps: Vec::new() }
    }

    async fn plan(&mut self, session: &mut Session, statement: usize, in_transaction: bool) {
        let run = CaptureOptions {
            statement_timeout: self.statement_timeout,
            inside_transaction: in_transaction,
            assume_roles: true,
            ..CaptureOptions::default()
        };
        let plan = CaptureOptions { run_reads: false, ..run };
        let (running, planning): (Vec<&HotQuery>, Vec<&HotQuery>) =
            self.queries.iter().partition(|query| self.run.contains(&query.name));
        let mut plans = explain::capture(session, planning, &plan).await;
        plans.extend(explain::capture(session, running, &run).await);
        self.steps.push((statement, plans));
    }
}

impl Watch for Attributor<'_> {
    const WRAPS: bool = true;

    async fn before(&mut self, session: &mut Session, at: Moment<'_>) -> Result<(), ServerError> {
        at.open(session).await?;
        if self.steps.is_empty() {
            self.plan(session, 0, at.in_transaction).await;
        }
        Ok(())
    }

    async fn after(&mut self, session: &mut Session, at: Moment<'_>, ran: Ran<'_>) -> Result<(), ServerError> {
        let in_transaction = match at.kind {
            // Nothing is different yet, and a transaction of the plans' own would end this one.
            StatementKind::Begin => return Ok(()),
            StatementKind::Commit | StatementKind::Rollback => false,
            _ => at.in_transaction,
        };
        if ran.result.is_ok() {
            self.plan(session, at.statement.index, in_transaction).await;
        }
        Ok(())
    }

    async fn transaction_ended(&mut self, _: &mut Session, _: bool) -> Result<(), ServerError> {
        Ok(())
    }
}
