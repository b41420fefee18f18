//! The traffic pass: what readers and a writer feel while the migration runs beside them, in the source's journal mode.

use super::super::beside::note_left_out;
use super::Begun;
use crate::engine::ServerError;
use crate::engine::applied::Applied;
use crate::engine::sqlite::apply::{Ended, Ran, Watch, apply};
use crate::engine::sqlite::traffic::{Event, Options, beside};
use crate::engine::sqlite::worker;
use crate::migration::Statement;
use crate::rehearsal::{Rehearsal, RehearsalError};
use crate::workload::HotQuery;
use rusqlite::Connection;
use std::time::Duration;

pub(super) async fn traffic(begun: &Begun<'_>, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let copy = begun.fresh().await?;
    let (target, migrations) = (begun.target(&copy), rehearsal.migrations.clone());
    let queries: Vec<HotQuery> = rehearsal.queries.clone();
    let settings = begun.plan.settings;
    let options = Options {
        busy: Duration::from_millis(settings.sqlite.busy_timeout_ms),
        timeout: Duration::from_millis(settings.thresholds.query_ms),
        writes: settings.measure_writes,
        foreign_keys: rehearsal.embedded.as_ref().is_some_and(|facts| facts.foreign_keys),
        ..Options::default()
    };
    let seen = worker::run(move |stop| {
        let queries: Vec<&HotQuery> = queries.iter().collect();
        beside(&target.path, &queries, &options, stop, |_, stop, tell| {
            apply(&target, &migrations, None, stop, &mut Telling(tell))
        })
        .map_err(RehearsalError::from)
    });
    let (seen, applied): (_, Applied) = seen.await?;
    rehearsal.query_notes.push(format!("traffic: {}", seen.about_the_journal()));
    let failure = applied.failure.map(|failure| (failure.statement, failure.error));
    let seen = seen.felt(settings.thresholds.stall_ms, &rehearsal.observations, failure);
    note_left_out(rehearsal, "traffic", &seen);
    rehearsal.traffic = Some(seen);
    Ok(())
}

/// Tells what the migration does as it does it.
struct Telling<'a>(&'a mut dyn FnMut(Event));

impl Watch for Telling<'_> {
    fn before(&mut self, _: &Connection, statement: &Statement) -> Result<(), ServerError> {
        (self.0)(Event::Sent(statement.index));
        Ok(())
    }

    fn after(&mut self, connection: &Connection, _: &Statement, _: &Ran<'_>) -> Result<(), ServerError> {
        (self.0)(Event::Answered { in_transaction: !connection.is_autocommit() });
        Ok(())
    }

    fn transaction_ended(&mut self, _: &Connection, _: Ended) -> Result<(), ServerError> {
        (self.0)(Event::TransactionEnded);
        Ok(())
    }
}
