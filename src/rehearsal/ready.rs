//! Copies as the runner finds them when it begins with what is rehearsed.

use super::{Plan, RehearsalError};
use crate::copy::kept::Kept;
use crate::copy::scratch::ScratchDatabase;
use crate::engine::postgres::apply::{Unwatched, apply};
use crate::migration::Migration;
use std::collections::BTreeMap;

/// A run once it is known what is pending: where copies come from, as the runner finds them when it begins.
pub(crate) struct Ready<'run> {
    pub(super) plan: &'run Plan<'run>,
    /// What the runner sends before anything else: its history table is no part of what is rehearsed.
    pub(super) setup: Vec<String>,
    /// Pending, but not what is rehearsed: applied first.
    pub(super) earlier: Vec<Migration>,
    /// How long transactions stayed open from a statement on where a program sent it, in milliseconds, by its index.
    pub(super) open_ms: BTreeMap<usize, f64>,
}

impl<'run> std::ops::Deref for Ready<'run> {
    type Target = Plan<'run>;

    fn deref(&self) -> &Plan<'run> {
        self.plan
    }
}

impl Ready<'_> {
    /// What fresh copies answered before. Nothing where a runner does something to them first: that may differ each time.
    pub(super) fn kept(&self) -> Kept {
        if self.setup.is_empty() && self.earlier.is_empty() { self.base.kept(&self.roles) } else { Kept::nothing() }
    }

    /// A fresh copy as the runner finds it when it begins with what is rehearsed.
    pub(super) async fn copy(&self) -> Result<ScratchDatabase, RehearsalError> {
        self.copy_with(&[]).await
    }

    /// The same with server settings of its own, by name and value.
    pub(super) async fn copy_with(&self, settings: &[(&str, &str)]) -> Result<ScratchDatabase, RehearsalError> {
        let copy = self.plan.bare_copy_with(settings).await?;
        self.set_up(&copy).await?;
        Ok(copy)
    }

    pub(super) async fn set_up(&self, copy: &ScratchDatabase) -> Result<(), RehearsalError> {
        let mut session = copy.target.session("migration").await?;
        for setup in &self.setup {
            let role = || copy.target.role.clone();
            session.execute(setup).await.map_err(|error| RehearsalError::History { role: role(), error })?;
        }
        session.close().await;
        let applied = apply(&copy.target, &self.earlier, None, &mut Unwatched).await?;
        match applied.failure {
            None => Ok(()),
            Some(failure) => {
                let stopped = self.earlier.get(applied.migrations);
                let version = stopped.map_or_else(String::new, |migration| migration.version.clone());
                Err(RehearsalError::Earlier { version, error: self.plan.tellable(&self.earlier, failure) })
            }
        }
    }
}
