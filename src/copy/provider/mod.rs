//! Where copies are made: a server of this run's own for each, an existing server, or whatever a command or a service
//! hands out.
//!
//! A provider is a line of [`PROVIDERS`] and a file here. What it cannot do it says by its [`Abilities`]; who measures asks
//! for those and has a weaker way, or does not measure (`rehearsal/needs.rs`).

pub mod clones;
mod command;
pub mod dblab;
mod hosted;
pub mod http;
mod logins;
mod marker;
pub mod neon;
mod production;
mod retry;
pub mod server;
pub mod service;
mod shared;

pub use command::Commands;
pub use hosted::Hosted;
pub(in crate::copy) use logins::{make_role, ours};

use crate::copy::url::SecretUrl;
use crate::engine::ServerError;
use crate::engine::postgres::abilities::{Abilities, Ability};
use std::io::Read;
use thiserror::Error;

/// One kind of provider.
#[derive(Debug, Clone, Copy)]
pub struct ProviderKind {
    /// What `[copies]` calls it.
    pub name: &'static str,
    /// What it is, for people.
    pub meaning: &'static str,
    /// What can be done on its copies as a superuser there.
    pub superuser: Abilities,
    /// What can be done on its copies as anybody else; `None` where that never happens.
    pub ordinary: Option<Abilities>,
}

/// Every provider there is.
pub const PROVIDERS: [ProviderKind; 5] = [
    ProviderKind {
        name: "private",
        meaning: "a server of the run's own for each copy, started on this machine",
        superuser: Abilities::PRIVATE,
        ordinary: None,
    },
    ProviderKind {
        name: "server",
        meaning: "databases of their own on an existing server",
        superuser: Abilities::SUPERUSER,
        ordinary: Some(Abilities::ORDINARY),
    },
    ProviderKind {
        name: "command",
        meaning: "databases that a command of the project makes and another one removes",
        superuser: Abilities::SUPERUSER.without(Ability::CheapCopy),
        ordinary: Some(Abilities::ORDINARY.without(Ability::CheapCopy)),
    },
    ProviderKind {
        name: "dblab",
        meaning: "thin clones of a DBLab Engine",
        superuser: Abilities::SUPERUSER.without(Ability::CheapCopy),
        ordinary: Some(Abilities::ORDINARY.without(Ability::CheapCopy)),
    },
    ProviderKind {
        name: "neon",
        meaning: "branches of a Neon project",
        superuser: Abilities::SUPERUSER.without(Ability::CheapCopy),
        ordinary: Some(Abilities::ORDINARY.without(Ability::CheapCopy)),
    },
];

/// Where the copies of one run are made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Provider {
    /// A server of the run's own for each copy.
    #[default]
    Private,
    /// An existing server.
    Server(SecretUrl),
    /// Clones that somebody else makes.
    Clones(clones::Service),
}

/// Why there is no place for copies; nothing of it is the migration's fault.
#[derive(Debug, Error)]
pub enum PlaceError {
    /// It does not answer, or refuses the login.
    #[error("cannot log in to {place}, where copies are to be made: {error}")]
    Unreachable {
        /// Host and database.
        place: String,
        /// What was said.
        error: Box<ServerError>,
    },
    /// The user may not make databases.
    #[error("user {user} of {place} may make no databases there: give it CREATEDB, or name another user in the URL")]
    NoCreatedb {
        /// The user.
        user: String,
        /// Host and database.
        place: String,
    },
    /// Too old.
    #[error("{place} is PostgreSQL {version}: copies need 13 or newer")]
    TooOld {
        /// Host and database.
        place: String,
        /// Its version.
        version: String,
    },
    /// Sessions are not what they seem.
    #[error("{place} is behind a connection pool, where no lock lasts: give the address of the server itself")]
    Pool {
        /// Host and database.
        place: String,
    },
    /// It is where the real data lives.
    #[error("{place} is {what}: nothing is ever rehearsed there; name another place for the copies")]
    Production {
        /// Host and database.
        place: String,
        /// How it is related to the source.
        what: String,
    },
    /// Nobody can say whether it is.
    #[error(
        "whether the copies would be made where the source is cannot be told, so none is made: asking {source_name}: {error}"
    )]
    CannotTell {
        /// Host and database of the source.
        source_name: String,
        /// What was said.
        error: String,
    },
    /// What should be a fresh clone is not.
    #[error("{place}, which {from} named as a fresh clone, is none: {why}; nothing was written to it")]
    NotFresh {
        /// Host and database.
        place: String,
        /// Who named it.
        from: String,
        /// What was seen there.
        why: String,
    },
    /// A command or a service failed.
    #[error("{what}: {why}")]
    Service {
        /// Which, and what it was to do.
        what: String,
        /// What it said.
        why: String,
    },
    /// A role that must not be used.
    #[error("role {role} {why}")]
    Role {
        /// Its name.
        role: String,
        /// Why not, and what to do.
        why: String,
    },
    /// A role made for the run is not let in.
    #[error(
        "{place} does not let a role in that was made for this run ({error}): let roles named seatrial_run_… log in with a \
         password (pg_hba.conf), or give a user that is no superuser"
    )]
    NotLetIn {
        /// Host and database.
        place: String,
        /// What the server says.
        error: Box<ServerError>,
    },
    /// The server refuses what the tool itself asks.
    #[error("{place} refused while {doing}: {error}")]
    Refused {
        /// Host and database.
        place: String,
        /// A verb and what.
        doing: &'static str,
        /// What the server says.
        error: Box<ServerError>,
    },
    /// The state folder is at fault.
    #[error(transparent)]
    State(#[from] crate::copy::state::StateError),
    /// A value of `[production]` that the server does not take.
    #[error(transparent)]
    Setting(#[from] Box<crate::copy::scratch::ScratchError>),
    /// What is known of clones cannot be written down, so that nobody could remove them later.
    #[error("cannot {action} {path}: {error}", path = path.display())]
    File {
        /// A verb.
        action: &'static str,
        /// On what.
        path: std::path::PathBuf,
        /// The operating system's answer.
        error: std::io::Error,
    },
}

/// So many random bytes, in hexadecimal.
///
/// # Errors
/// The operating system has none.
fn random(bytes: usize) -> Result<String, ServerError> {
    let mut buffer = vec![0; bytes];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut buffer))
        .map_err(|error| ServerError { message: format!("no random numbers: {error}"), ..ServerError::default() })?;
    Ok(crate::copy::fingerprint::hexadecimal(&buffer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_says_what_it_can_do() {
        let names: std::collections::BTreeSet<_> = PROVIDERS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), PROVIDERS.len());
        let page = include_str!("../../../docs/providers.md");
        for kind in PROVIDERS {
            assert!(page.contains(&format!("\n## `{}`", kind.name)), "docs/providers.md explains {}", kind.name);
            assert!(!kind.meaning.is_empty());
            assert!(
                kind.superuser.has(Ability::Superuser) && kind.superuser.has(Ability::CatalogRead),
                "{}",
                kind.name
            );
            // Whoever is no superuser can do nothing that a superuser cannot.
            for ability in Ability::ALL {
                let ordinary = kind.ordinary.is_some_and(|ordinary| ordinary.has(ability));
                assert!(!ordinary || kind.superuser.has(ability), "{} {ability:?}", kind.name);
            }
            let alone = kind.superuser.has(Ability::PrivateServer);
            assert_eq!(alone, kind.name == "private");
            assert!(alone || !kind.superuser.has(Ability::StopsCommits), "a setting of the whole server");
        }
    }
}
