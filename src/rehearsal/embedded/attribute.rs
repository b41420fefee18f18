//! The pass that finds out which statement changed which plan: after each of them, on a fresh copy, the changed queries are
//! planned and run again, in its transaction.

use super::super::{cause, compare};
use super::{Begun, measure};
use crate::engine::ServerError;
use crate::engine::sqlite::apply::{Ran, Watch, apply};
use crate::engine::sqlite::connection::{self, Purpose, Stop};
use crate::engine::sqlite::explain::{self, Options};
use crate::engine::sqlite::{schema, worker};
use crate::migration::Statement;
use crate::rehearsal::{Rehearsal, RehearsalError};
use crate::snapshot::plan::PlanCapture;
use crate::workload::HotQuery;
use rusqlite::Connection;
use std::collections::BTreeSet;

/// Statement by statement: after which one did each changed plan change?
pub(super) async fn attribute(begun: &Begun<'_>, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let changed: BTreeSet<&str> = rehearsal
        .plans
        .iter()
        .filter(|change| change.needs_cause())
        .map(|change| change.diff.key.query.as_str())
        .collect();
    let queries: Vec<HotQuery> =
        rehearsal.queries.iter().filter(|query| changed.contains(query.name.as_str())).cloned().collect();
    let copy = begun.fresh().await?;
    let (target, migrations, options) = (begun.target(&copy), rehearsal.migrations.clone(), measure::options(begun));
    let stop_after = rehearsal.failure.as_ref().map(|failure| failure.statement);
    let steps = worker::run(move |stop| {
        let looking = connection::open(&target.path, Purpose::Observer, stop)?;
        let mut attributor = Attributor { queries, options, stop: stop.clone(), steps: Vec::new() };
        attributor.plan(&looking, 0)?;
        drop(looking);
        apply(&target, &migrations, stop_after, stop, &mut attributor)?;
        Ok::<_, RehearsalError>(attributor.steps)
    });
    let steps = steps.await?;
    cause::assign(rehearsal, &steps);
    compare::tell(rehearsal);
    Ok(())
}

struct Attributor {
    queries: Vec<HotQuery>,
    options: Options,
    stop: Stop,
    /// After each statement: its index and the plans it left. The first entry, index 0, is the state before all.
    steps: Vec<(usize, Vec<PlanCapture>)>,
}

impl Attributor {
    fn plan(&mut self, connection: &Connection, statement: usize) -> Result<(), ServerError> {
        let schema = schema::read(connection)?;
        let queries: Vec<&HotQuery> = self.queries.iter().collect();
        let plans = explain::capture(connection, &schema, &queries, &self.options, &self.stop)?;
        self.steps.push((statement, plans));
        Ok(())
    }
}

impl Watch for Attributor {
    fn after(&mut self, connection: &Connection, statement: &Statement, ran: &Ran<'_>) -> Result<(), ServerError> {
        if ran.result.is_ok() && ran.writes {
            self.plan(connection, statement.index)?;
        }
        Ok(())
    }
}
