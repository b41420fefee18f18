//! The passes on SQLite: each on a copy of its own, on a thread for blocking work, which ends when nobody waits for it.

mod attribute;
mod measure;
mod pending;
mod prove;
mod retry;
mod traffic;
mod violators;

use super::schedule::within_time;
use super::{Course, Engine, Passes, Rehearsal, RehearsalError};
use crate::copy::sqlite::base::Base;
use crate::copy::sqlite::scratch::Scratch;
use crate::engine::ServerError;
use crate::engine::sqlite::apply::{Target, Unwatched, apply};
use crate::engine::sqlite::connection::{self, Purpose, Stop};
use crate::engine::sqlite::{facts, worker};
use crate::migration::Migration;
use crate::report::v1::{Confinement, EngineName, PassName};
use std::sync::Arc;
use std::time::Instant;

/// What an SQLite run works with, besides its [`Course`].
pub struct Plan<'run> {
    /// What every engine's run works with.
    pub course: Course<'run>,
    /// The source taken once.
    pub base: Base,
}

impl<'run> std::ops::Deref for Plan<'run> {
    type Target = Course<'run>;

    fn deref(&self) -> &Course<'run> {
        &self.course
    }
}

/// A run whose first copy stands, and of which it is known what is pending.
pub struct Begun<'run> {
    plan: &'run Plan<'run>,
    /// Untouched, until the measure pass takes it.
    first: Option<Scratch>,
    /// What comes before what is rehearsed, on every copy.
    before: Arc<Before>,
}

/// What comes before what is rehearsed, on every copy.
#[derive(Debug, Default)]
struct Before {
    /// What the runner sends before anything else: its history table is no part of what is rehearsed.
    setup: Vec<String>,
    /// Pending, but not what is rehearsed: applied first.
    earlier: Vec<Migration>,
}

/// Why the queue pass has nothing to show.
const NO_QUEUE: &str =
    "SQLite has no queue: whoever waits for the write lock tries again, and readers do not wait behind it";

impl Engine for Plan<'_> {
    type Passes<'run>
        = Begun<'run>
    where
        Self: 'run;

    fn course(&self) -> &Course<'_> {
        &self.course
    }

    /// Nothing of it: notes in the report say so.
    fn on_request(&self) -> Vec<(&'static str, u32)> {
        Vec::new()
    }

    async fn begin(&self, rehearsal: &mut Rehearsal) -> Result<Begun<'_>, RehearsalError> {
        rehearsal.engine = EngineName::Sqlite;
        rehearsal.engine_version = facts::version().to_owned();
        // It runs in this process, opens no socket, and reaches no file but its copy.
        rehearsal.confinement = vec![Confinement::NoTcpListener, Confinement::NoOutboundNetwork];
        let copy = self.copy()?;
        let found = within_time(self, pending::find(self, copy.path(), rehearsal)).await?;
        let begun = Begun { plan: self, first: None, before: Arc::new(found) };
        let copy = begun.set_up(copy).await?;
        Ok(Begun { first: Some(copy), ..begun })
    }
}

impl Plan<'_> {
    /// A copy nothing was done to.
    fn copy(&self) -> Result<Scratch, RehearsalError> {
        let started = Instant::now();
        let copy = Scratch::create(&self.base, self.run, &self.activity)?;
        self.budget.copied(started.elapsed());
        Ok(copy)
    }
}

impl Begun<'_> {
    /// A fresh copy as the runner finds it when it begins with what is rehearsed.
    async fn fresh(&self) -> Result<Scratch, RehearsalError> {
        self.set_up(self.plan.copy()?).await
    }

    async fn set_up(&self, copy: Scratch) -> Result<Scratch, RehearsalError> {
        if self.before.setup.is_empty() && self.before.earlier.is_empty() {
            return Ok(copy);
        }
        let (target, before) = (self.target(&copy), Arc::clone(&self.before));
        let applied = worker::run(move |stop| {
            set_up(&target, &before.setup, stop)?;
            apply(&target, &before.earlier, None, stop, &mut Unwatched).map_err(RehearsalError::from)
        });
        let applied = applied.await?;
        match applied.failure {
            None => Ok(copy),
            Some(failure) => {
                let stopped = self.before.earlier.get(applied.migrations);
                let version = stopped.map_or_else(String::new, |migration| migration.version.clone());
                Err(RehearsalError::Earlier { version, error: self.plan.tellable(&self.before.earlier, failure) })
            }
        }
    }

    /// How migrations run on a copy.
    fn target(&self, copy: &Scratch) -> Target {
        Target { path: copy.path().to_owned(), foreign_keys: self.plan.settings.sqlite.foreign_keys }
    }

    /// The first copy, or another one where that is used.
    async fn first(&mut self) -> Result<Scratch, RehearsalError> {
        match self.first.take() {
            Some(copy) => Ok(copy),
            None => self.fresh().await,
        }
    }
}

fn set_up(target: &Target, setup: &[String], stop: &Stop) -> Result<(), RehearsalError> {
    let connection = connection::open(&target.path, Purpose::Migration { foreign_keys: false }, stop)?;
    for sql in setup {
        connection.execute_batch(sql).map_err(|error| RehearsalError::History {
            role: "the runner".to_owned(),
            error: ServerError::from(error),
        })?;
    }
    Ok(())
}

impl Passes for Begun<'_> {
    async fn discard(&mut self) -> Result<(), RehearsalError> {
        self.first = None;
        Ok(())
    }

    async fn measure(&mut self, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
        let copy = self.first().await?;
        measure::measure(self, copy, rehearsal).await
    }

    async fn count_violators(&mut self, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
        violators::count(self, rehearsal).await
    }

    fn lacking(&self, pass: PassName) -> Option<String> {
        (pass == PassName::Queue).then(|| NO_QUEUE.to_owned())
    }

    async fn prove(&mut self, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
        prove::prove(self, rehearsal).await
    }

    async fn attribute(&mut self, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
        attribute::attribute(self, rehearsal).await
    }

    async fn trial(&mut self, pass: PassName, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
        match pass {
            PassName::Retry => retry::retry(self, rehearsal).await,
            _ => traffic::traffic(self, rehearsal).await,
        }
    }

    async fn on_request(&mut self, rehearsal: &mut Rehearsal) {
        let settings = self.plan.settings;
        let asked = [
            (settings.suggest.is_some(), "safer forms"),
            (settings.measure_writes, "what writes pay"),
            (settings.measure_time, "the time of changed queries"),
        ];
        for (_, what) in asked.into_iter().filter(|(asked, _)| *asked) {
            let note = format!("{what}: not measured, which Seatrial does on PostgreSQL alone");
            self.plan.progress.say(&note);
            rehearsal.query_notes.push(note);
        }
    }
}
