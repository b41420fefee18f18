//! One disposable copy of a base, with a server of its own: the only place where a statement that writes may run.

use super::base::{Base, BasePlace};
use super::origin::OriginSettings;
use super::provider::PlaceError;
use super::provider::clones::CloneCopy;
use super::provider::server::ServerCopy;
use super::role::{self, RoleError};
use super::state::RunDir;
use crate::engine::ServerError;
use crate::engine::postgres::abilities::{Abilities, Ability};
use crate::engine::postgres::apply::Target;
use crate::engine::postgres::launch::confine::Confined;
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
    /// Where copies are made, something is at fault.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Settings that were asked for and that are not the copy's to choose.
    #[error("the copy's server cannot be given settings of its own: {0}")]
    Settings(&'static str),
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

/// `insufficient_privilege`.
const NO_RIGHT: &str = "42501";

/// Who runs what on a copy, and under which settings.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    /// Asked for with `--role`.
    pub requested: Option<String>,
    /// Named by hot queries: they must be able to log in.
    pub hot_queries: BTreeSet<String>,
    /// Search path asked for with `--schema`.
    pub search_path: Option<String>,
    /// Parameters the source was found to have: the database gets them, and what is said of production stands above.
    pub origin: OriginSettings,
    /// Extensions that migrations may create with a superuser's rights.
    pub extensions: Vec<String>,
    /// Parameters production has, by name: the database gets them.
    pub settings: BTreeMap<String, String>,
    /// Parameters production has set for single roles, by role.
    pub role_settings: BTreeMap<String, BTreeMap<String, String>>,
}

/// What a copy is, for its end.
#[derive(Debug)]
enum Home {
    /// A server of its own.
    Private(Server),
    /// A database of an existing server.
    Server(ServerCopy),
    /// A clone of somebody else's making.
    Clone(CloneCopy),
}

/// A copy with its server running.
#[derive(Debug)]
pub struct ScratchDatabase {
    home: Home,
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
        match &base.place {
            BasePlace::Cache(_) => {}
            // A server of others keeps its settings: whoever cannot do without has to ask first.
            BasePlace::Server(_) | BasePlace::Clones(_) if !settings.is_empty() => {
                return Err(ScratchError::Settings(Ability::ServerSettings.lacking()));
            }
            BasePlace::Server(server) => {
                let mut copy = server.copy(roles).await?;
                let (target, notes) = (copy.target.clone(), std::mem::take(&mut copy.notes));
                return Ok(Self { home: Home::Server(copy), target, notes });
            }
            BasePlace::Clones(clones) => {
                let mut copy = clones.copy(roles).await?;
                let (target, notes) = (copy.target.clone(), std::mem::take(&mut copy.notes));
                return Ok(Self { home: Home::Clone(copy), target, notes });
            }
        }
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
            extensions: roles.extensions.clone(),
        };
        Ok(Self { home: Home::Private(server), target, notes })
    }

    /// A session of the bootstrap superuser, for looking; of the user of its address where the server is not its own.
    ///
    /// # Errors
    /// What the server says.
    pub async fn superuser(&self, application_name: &str) -> Result<Session, ServerError> {
        Session::observer(&self.target.endpoint, &self.target.database, application_name).await
    }

    /// What its server is held to, where that is its own.
    pub fn confined(&self) -> Option<Confined> {
        match &self.home {
            Home::Private(server) => Some(server.confined()),
            Home::Server(_) | Home::Clone(_) => None,
        }
    }

    /// Waits until its server ends by itself, and says how; without end where the server is somebody else's.
    pub async fn ended(&mut self) -> String {
        match &mut self.home {
            Home::Private(server) => server.ended().await,
            Home::Server(_) | Home::Clone(_) => std::future::pending().await,
        }
    }

    /// Where its server keeps its files, if they can be reached.
    pub fn data_dir(&self) -> Option<&std::path::Path> {
        match &self.home {
            Home::Private(server) => Some(server.data_dir()),
            Home::Server(_) | Home::Clone(_) => None,
        }
    }

    /// What may be done on it.
    pub fn abilities(&self) -> Abilities {
        self.target.endpoint.abilities()
    }

    /// Removes the copy; a server of its own is stopped at once.
    ///
    /// # Errors
    /// A server that does not die, a folder that cannot be removed; what an existing server or a service says.
    pub async fn destroy(self) -> Result<(), ScratchError> {
        match self.home {
            Home::Private(server) => Ok(server.destroy().await?),
            Home::Server(copy) => Ok(copy.destroy().await?),
            Home::Clone(copy) => Ok(copy.destroy().await?),
        }
    }
}

/// Gives the copy what its source was found to have set. What this server does not take is noted; roles that are not there
/// have no settings to get.
async fn set_as_in_the_source(
    session: &mut Session,
    database: &str,
    origin: &OriginSettings,
    production: &BTreeMap<String, String>,
) -> Result<Vec<String>, ScratchError> {
    let mut notes = Vec::new();
    for (name, value) in &origin.settings {
        let set = alter(database, None, name, value);
        if let Err(error) = session.execute(&set).await {
            notes.push(format!("the source has {name} = {value}, which this server does not take: {}", error.message));
        }
    }
    for (role, settings) in &origin.roles {
        if !role::exists(session, role).await? {
            continue;
        }
        // What is said of production for everybody stands above it.
        for (name, value) in settings.iter().filter(|(name, _)| !production.contains_key(*name)) {
            if let Err(error) = session.execute(&alter(database, Some(role), name, value)).await {
                let why = error.message;
                notes.push(format!("the source has {name} = {value} for role {role}, which is not taken here: {why}"));
            }
        }
    }
    Ok(notes)
}

/// For a role in this database, so that it stands above what the source brought for the role everywhere.
fn alter(database: &str, role: Option<&str>, name: &str, value: &str) -> String {
    let database = quote_identifier(database);
    let whose = match role {
        Some(role) => format!("ROLE {} IN DATABASE {database}", quote_identifier(role)),
        None => format!("DATABASE {database}"),
    };
    format!("ALTER {whose} SET {} = {}", quote_identifier(name), quote_literal(value))
}

/// Gives the copy what its source was found to have set, and above that what is said of production. A parameter this server's version lacks and a role the source lacks are
/// noted.
pub(super) async fn set_as_in_production(
    session: &mut Session,
    database: &str,
    roles: &Roles,
) -> Result<Vec<String>, ScratchError> {
    let mut notes = roles.origin.notes.clone();
    notes.extend(set_as_in_the_source(session, database, &roles.origin, &roles.settings).await?);
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
        match session.execute(&alter(database, role.map(String::as_str), name, value)).await {
            Ok(_) => {}
            Err(error) if error.sqlstate == NO_RIGHT && !session.abilities.has(Ability::Superuser) => {
                notes.push(format!("production sets {name}, which the user of the server may not: left out"));
            }
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
