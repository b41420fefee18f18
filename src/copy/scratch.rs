//! One disposable copy of a base, with a server of its own: the only place where a statement that writes may run.

use super::base::Base;
use super::role::{self, RoleError};
use super::state::RunDir;
use crate::engine::ServerError;
use crate::engine::postgres::apply::Target;
use crate::engine::postgres::server::{ClusterError, Server};
use crate::engine::postgres::session::{Session, quote_identifier, quote_literal};
use std::collections::{BTreeMap, BTreeSet};
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
    /// A value of `[production]` that the copy's server does not take.
    #[error("[production.{table}] {name} = \"{value}\": {error}", table = table(role))]
    Setting {
        /// Whose it is; `None` for all.
        role: Option<String>,
        /// The parameter.
        name: String,
        /// Its value.
        value: String,
        /// The server's answer.
        error: ServerError,
    },
    /// The copy's server refuses what the tool itself asks.
    #[error("the copy's server refused: {0}")]
    Server(#[from] ServerError),
}

fn table(role: &Option<String>) -> String {
    role.as_ref().map_or_else(|| "settings".to_owned(), |role| format!("role_settings.{role}"))
}

/// `unrecognized configuration parameter`.
const UNKNOWN_PARAMETER: &str = "42704";

/// Who runs what on a copy, and under which settings.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    /// Asked for with `--role`.
    pub requested: Option<String>,
    /// Named by hot queries: they must be able to log in.
    pub hot_queries: BTreeSet<String>,
    /// Search path asked for with `--schema`.
    pub search_path: Option<String>,
    /// Parameters production has, by name: the database gets them.
    pub settings: BTreeMap<String, String>,
    /// Parameters production has set for single roles, by role.
    pub role_settings: BTreeMap<String, BTreeMap<String, String>>,
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
        Self::create_with(base, run, roles, &[]).await
    }

    /// The same with server settings of its own, by name and value.
    ///
    /// # Errors
    /// See [`ScratchError`].
    pub async fn create_with(
        base: &Base,
        run: &RunDir,
        roles: &Roles,
        settings: &[(&str, &str)],
    ) -> Result<Self, ScratchError> {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let server = base.copy(run, settings).await?;
        let mut session = Session::observer(server.endpoint(), &base.record.database, "roles").await?;
        let prepared = role::prepare_roles(&mut session, roles.requested.as_deref()).await?;
        for login in &roles.hot_queries {
            role::prepare_login(&mut session, login).await?;
        }
        let mut notes = prepared.notes;
        notes.extend(set_as_in_production(&mut session, &base.record.database, roles).await?);
        session.close().await;
        let target = Target {
            endpoint: server.endpoint().clone(),
            database: base.record.database.clone(),
            role: prepared.role,
            search_path: roles.search_path.clone(),
        };
        Ok(Self { server, target, notes })
    }

    /// A session of the bootstrap superuser, for looking.
    ///
    /// # Errors
    /// What the server says.
    pub async fn superuser(&self, application_name: &str) -> Result<Session, ServerError> {
        Session::observer(&self.target.endpoint, &self.target.database, application_name).await
    }

    /// Waits until its server ends by itself, and says how.
    pub async fn ended(&mut self) -> String {
        self.server.ended().await
    }

    /// Where its server keeps its files.
    pub fn data_dir(&self) -> &std::path::Path {
        self.server.data_dir()
    }

    /// Stops the server at once and removes the copy.
    ///
    /// # Errors
    /// A server that does not die, a folder that cannot be removed.
    pub async fn destroy(self) -> Result<(), ScratchError> {
        Ok(self.server.destroy().await?)
    }
}

/// Gives the copy what production has set. A parameter this server's version lacks and a role the source lacks are
/// noted.
async fn set_as_in_production(
    session: &mut Session,
    database: &str,
    roles: &Roles,
) -> Result<Vec<String>, ScratchError> {
    let mut notes = Vec::new();
    let database = quote_identifier(database);
    let everybody = roles.settings.iter().map(|(name, value)| (None, name, value));
    let single = roles
        .role_settings
        .iter()
        .flat_map(|(role, settings)| settings.iter().map(move |(name, value)| (Some(role), name, value)));
    let mut missing = BTreeSet::new();
    for (role, name, value) in everybody.chain(single) {
        if let Some(role) = role
            && !role::exists(session, role).await?
        {
            if missing.insert(role) {
                notes.push(format!("production has settings for role {role}, which is not in the source: left out"));
            }
            continue;
        }
        // In this database, so that it stands above what the source brought for the role everywhere.
        let whose = match role {
            Some(role) => format!("ROLE {} IN DATABASE {database}", quote_identifier(role)),
            None => format!("DATABASE {database}"),
        };
        let set = format!("ALTER {whose} SET {} = {}", quote_identifier(name), quote_literal(value));
        match session.execute(&set).await {
            Ok(_) => {}
            Err(error) if error.sqlstate == UNKNOWN_PARAMETER => {
                notes.push(format!("production sets {name}, which this server does not know: left out"));
            }
            Err(error) => {
                let (name, value) = (name.clone(), value.clone());
                return Err(ScratchError::Setting { role: role.cloned(), name, value, error });
            }
        }
    }
    Ok(notes)
}
