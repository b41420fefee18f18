//! One disposable copy of a base, with a server of its own: the only place where a statement that writes may run.

use super::base::Base;
use super::role::{self, RoleError};
use super::state::RunDir;
use crate::engine::ServerError;
use crate::engine::postgres::apply::Target;
use crate::engine::postgres::server::{ClusterError, Server};
use crate::engine::postgres::session::Session;
use std::collections::BTreeSet;
use thiserror::Error;

/// What can go wrong with a copy; nothing of it is the migration's fault.
#[derive(Debug, Error)]
pub enum ScratchError {
    /// The base cannot be copied, or a server does not start or stop.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Roles cannot be made ready.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// The copy's server refuses what the tool itself asks.
    #[error("the copy's server refused: {0}")]
    Server(#[from] ServerError),
}

/// Who runs what on a copy.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    /// Asked for with `--role`.
    pub requested: Option<String>,
    /// Named by hot queries: they must be able to log in.
    pub hot_queries: BTreeSet<String>,
    /// Search path asked for with `--schema`.
    pub search_path: Option<String>,
}

/// A copy with its server running.
#[derive(Debug)]
pub struct ScratchDatabase {
    server: Server,
    /// Where migrations run, and as whom.
    pub target: Target,
    /// What could not be granted as production would have it.
    pub notes: Vec<String>,
}

impl ScratchDatabase {
    /// Copies the base, starts the copy's server and makes its roles ready.
    ///
    /// # Errors
    /// See [`ScratchError`].
    pub async fn create(base: &Base, run: &RunDir, roles: &Roles) -> Result<Self, ScratchError> {
        let server = base.copy(run, Vec::new()).await?;
        let mut session = Session::observer(server.endpoint(), &base.record.database, "roles").await?;
        let prepared = role::prepare_roles(&mut session, roles.requested.as_deref()).await?;
        for login in &roles.hot_queries {
            role::prepare_login(&mut session, login).await?;
        }
        session.close().await;
        let target = Target {
            endpoint: server.endpoint().clone(),
            database: base.record.database.clone(),
            role: prepared.role,
            search_path: roles.search_path.clone(),
        };
        Ok(Self { server, target, notes: prepared.notes })
    }

    /// A session of the bootstrap superuser, for looking.
    ///
    /// # Errors
    /// What the server says.
    pub async fn superuser(&self, application_name: &str) -> Result<Session, ServerError> {
        Session::observer(&self.target.endpoint, &self.target.database, application_name).await
    }

    /// Stops the server at once and removes the copy.
    ///
    /// # Errors
    /// A server that does not die, a folder that cannot be removed.
    pub async fn destroy(self) -> Result<(), ScratchError> {
        Ok(self.server.destroy().await?)
    }
}
