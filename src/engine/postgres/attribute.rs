//! Which statement changed which plan: plans the changed queries again after each statement, in its transaction.

use super::apply::{Moment, Ran, Watch};
use super::explain::{self, CaptureOptions};
use super::session::Session;
use crate::engine::ServerError;
use crate::snapshot::plan::PlanCapture;
use crate::workload::HotQuery;

/// A watcher that plans queries after each statement. Copies it runs on are thrown away, so it may use savepoints.
#[derive(Debug)]
pub struct Attributor<'run> {
    queries: &'run [HotQuery],
    /// After each statement: its index and the plans it left. The first entry, index 0, is the state before all.
    pub steps: Vec<(usize, Vec<PlanCapture>)>,
}

impl<'run> Attributor<'run> {
    /// Will plan `queries`.
    pub fn new(queries: &'run [HotQuery]) -> Self {
        Self { queries, steps: Vec::new() }
    }

    async fn plan(&mut self, session: &mut Session, statement: usize, in_transaction: bool) {
        let options =
            CaptureOptions { run_reads: false, inside_transaction: in_transaction, ..CaptureOptions::default() };
        let plans = explain::capture(session, self.queries, &options).await;
        self.steps.push((statement, plans));
    }
}

impl Watch for Attributor<'_> {
    const WRAPS: bool = true;

    async fn before(&mut self, session: &mut Session, at: Moment<'_>) -> Result<(), ServerError> {
        if self.steps.is_empty() {
            self.plan(session, 0, at.in_transaction).await;
        }
        Ok(())
    }

    async fn after(&mut self, session: &mut Session, at: Moment<'_>, ran: Ran<'_>) -> Result<(), ServerError> {
        if ran.result.is_ok() {
            self.plan(session, at.statement.index, at.in_transaction).await;
        }
        Ok(())
    }

    async fn transaction_ended(&mut self, _: &mut Session, _: bool) -> Result<(), ServerError> {
        Ok(())
    }
}
