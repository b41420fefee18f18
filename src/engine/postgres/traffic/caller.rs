//! A hot query in a session of its own, prepared as applications have it, ready to be called again and again.

use crate::engine::ServerError;
use crate::engine::postgres::apply::Target;
use crate::engine::postgres::explain::{self, Failure};
use crate::engine::postgres::session::Session;
use crate::workload::HotQuery;
use std::time::{Duration, Instant};

/// Runs before the first call: they warm caches, and the quickest is what the query takes.
const WARM: usize = 3;

/// What a server says to a write where only reads are let through.
const READ_ONLY: &str = "25006";

/// A query, ready to be called.
#[derive(Debug)]
pub struct Caller {
    name: String,
    session: Session,
    /// What to send, one for each set of values.
    texts: Vec<String>,
    writes: bool,
    /// What it takes by itself.
    pub usual: Duration,
}

/// A caller, or why there is none.
pub enum Opened {
    /// It ran.
    Ready(Caller),
    /// For people, without values of user data.
    LeftOut(String),
}

impl Caller {
    /// Connects as the role the query runs as, prepares it and tries it out. What writes is taken if `writes` says so; each
    /// call of it is rolled back. What takes longer than `limit` is left out.
    ///
    /// # Errors
    /// A connection that cannot be made; what the server says to the query is [`Opened::LeftOut`].
    pub async fn open(target: &Target, query: &HotQuery, writes: bool, limit: Duration) -> Result<Opened, ServerError> {
        let role = query.role.as_deref().unwrap_or(&target.role);
        let mut session = target.session_as(role, "hot queries").await?;
        let texts = match explain::ready_to_execute(&mut session, query).await {
            Ok(texts) => texts,
            Err(Failure { message, .. }) => {
                session.close().await;
                return Ok(Opened::LeftOut(message));
            }
        };
        let mut caller = Self { name: query.name.clone(), session, texts, writes: false, usual: Duration::MAX };
        match caller.try_out(writes, limit).await {
            Ok(()) => Ok(Opened::Ready(caller)),
            Err(error) if error.is_outage() => Err(error),
            Err(error) => {
                caller.session.close().await;
                Ok(Opened::LeftOut(match error.sqlstate.as_str() {
                    READ_ONLY => "it writes; --measure-writes lets it".to_owned(),
                    "57014" => format!(
                        "it takes longer than {} by itself",
                        crate::report::human::duration(limit.as_secs_f64() * 1e3)
                    ),
                    _ => error.without_values(),
                }))
            }
        }
    }

    /// The backend's process id.
    pub fn pid(&self) -> i32 {
        self.session.pid
    }

    async fn try_out(&mut self, writes: bool, limit: Duration) -> Result<(), ServerError> {
        let before = self.session.query("SHOW statement_timeout").await?.scalar().unwrap_or("0").to_owned();
        let limit = limit.as_millis().max(1);
        self.session
            .execute(&format!("SET statement_timeout = {limit}; SET default_transaction_read_only = on"))
            .await?;
        match self.session.execute(&self.texts[0]).await {
            Err(error) if error.sqlstate == READ_ONLY && writes => {
                self.session.execute("SET default_transaction_read_only = off").await?;
                self.writes = true;
            }
            other => {
                other?;
            }
        }
        for at in 0..WARM.max(self.texts.len()) {
            let started = Instant::now();
            self.call(at).await?;
            self.usual = self.usual.min(started.elapsed());
        }
        self.session.execute(&format!("SET statement_timeout = '{before}'")).await?;
        Ok(())
    }

    /// Sends it once, the sets of values in turns.
    ///
    /// # Errors
    /// The server's refusal; without an SQLSTATE when the session is gone.
    pub async fn call(&mut self, turn: usize) -> Result<(), ServerError> {
        let text = &self.texts[turn % self.texts.len()];
        if !self.writes {
            return self.session.execute(text).await.map(|_| ());
        }
        // Rolled back, or the second call would meet what the first one wrote.
        match self.session.execute(&format!("BEGIN; {text}; ROLLBACK")).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_outage() => Err(error),
            Err(error) => {
                self.session.execute("ROLLBACK").await?;
                Err(error)
            }
        }
    }

    /// Ends its session; returns the query's name.
    pub async fn close(self) -> String {
        self.session.close().await;
        self.name
    }
}
