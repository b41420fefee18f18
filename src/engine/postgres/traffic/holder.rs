//! A transaction of somebody else's that has written to a table and does not end.

use crate::engine::ServerError;
use crate::engine::postgres::session::Session;
use crate::observation::traffic::Queued;
use crate::snapshot::Oid;
use std::time::Duration;

/// Open on one table, until the migration has waited behind it for a while.
#[derive(Debug)]
pub struct Holder {
    session: Session,
    relation: Oid,
    name: String,
    patience_ms: f64,
    since_ms: Option<f64>,
    until_ms: Option<f64>,
}

impl Holder {
    /// Begins a transaction that holds what one that has written a row of the table holds: ROW EXCLUSIVE. `session` is a
    /// superuser's; `table` is qualified and quoted.
    ///
    /// # Errors
    /// What the server says.
    pub async fn open(
        mut session: Session,
        (relation, table): (Oid, &str),
        patience: Duration,
    ) -> Result<Self, ServerError> {
        session.execute(&format!("BEGIN; LOCK TABLE {table} IN ROW EXCLUSIVE MODE")).await?;
        let patience_ms = patience.as_secs_f64() * 1e3;
        Ok(Self { session, relation, name: table.to_owned(), patience_ms, since_ms: None, until_ms: None })
    }

    /// Whether its transaction is open yet.
    pub fn is_open(&self) -> bool {
        self.until_ms.is_none()
    }

    /// Somebody waits behind the processes listed in `behind`.
    pub(super) fn seen_in_the_way(&mut self, behind: &str, at_ms: f64) {
        let me = self.session.pid.to_string();
        if self.is_open() && behind.split(' ').any(|pid| pid == me) {
            self.since_ms.get_or_insert(at_ms);
        }
    }

    pub(super) async fn end_if_long_enough(&mut self, now_ms: f64) -> Result<(), ServerError> {
        match self.since_ms {
            Some(since) if now_ms - since >= self.patience_ms => self.end(now_ms).await,
            _ => Ok(()),
        }
    }

    pub(super) async fn end(&mut self, now_ms: f64) -> Result<(), ServerError> {
        if self.is_open() {
            self.session.execute("ROLLBACK").await?;
            self.until_ms = Some(now_ms);
        }
        Ok(())
    }

    pub(super) async fn close(mut self, now_ms: f64) -> Result<Queued, ServerError> {
        self.end(now_ms).await?;
        self.session.close().await;
        let until_ms = self.until_ms.unwrap_or(now_ms);
        Ok(Queued { relation: self.relation, name: self.name, since_ms: self.since_ms, until_ms })
    }
}
