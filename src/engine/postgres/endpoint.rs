//! Where a server is, and who logs in there as whom.

use super::abilities::Abilities;
use super::server::SUPERUSER;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A server as a connection is made to it. Shown, it keeps its password to itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Reach {
    /// Name, address or folder of a socket; the client's default where the URL has none.
    pub host: Option<String>,
    /// Its port, where the URL has one.
    pub port: Option<u16>,
    /// The user, where the URL has one.
    pub user: Option<String>,
    /// The password, where the URL has one.
    pub password: Option<String>,
    /// The database.
    pub database: String,
    /// `sslmode`, where the URL has one.
    pub ssl_mode: Option<String>,
}

impl fmt::Debug for Reach {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, user, database, ssl_mode, password: _ } = self;
        out.debug_struct("Reach")
            .field("host", host)
            .field("port", port)
            .field("user", user)
            .field("database", database)
            .field("ssl_mode", ssl_mode)
            .finish_non_exhaustive()
    }
}

/// As whom a session logs in.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// Its password, if it needs one.
    pub password: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A server of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Where it is, with the login of the observers.
    pub reach: Reach,
    /// What that login may do.
    pub abilities: Abilities,
    /// Who logs in for other roles, by role.
    pub logins: BTreeMap<String, Login>,
}

/// Where a server listens: a unix socket in a private directory, or wherever a server of somebody else does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Directory of the socket; empty for a server of somebody else.
    pub socket_dir: PathBuf,
    /// Number in the socket's name.
    pub port: u16,
    remote: Option<Arc<Remote>>,
}

impl Endpoint {
    /// A server of this run's own.
    pub fn private(socket_dir: &Path, port: u16) -> Self {
        Self { socket_dir: socket_dir.to_owned(), port, remote: None }
    }

    /// A server of somebody else.
    pub fn remote(remote: Remote) -> Self {
        Self { socket_dir: PathBuf::new(), port: 0, remote: Some(Arc::new(remote)) }
    }

    /// The server of somebody else, if it is one.
    pub fn as_remote(&self) -> Option<&Remote> {
        self.remote.as_deref()
    }

    /// What may be done there.
    pub fn abilities(&self) -> Abilities {
        self.as_remote().map_or(Abilities::PRIVATE, |remote| remote.abilities)
    }

    /// Who looks on: the bootstrap superuser, or the user of the URL.
    pub fn observer(&self) -> &str {
        self.as_remote().map_or(SUPERUSER, |remote| remote.reach.user.as_deref().unwrap_or_default())
    }

    /// The user a session that acts as `role` logs in as.
    pub fn login_of<'a>(&'a self, role: &'a str) -> &'a str {
        self.as_remote().and_then(|remote| remote.logins.get(role)).map_or(role, |login| &login.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        let reach = Reach {
            host: Some("db".into()),
            port: None,
            user: Some("app".into()),
            password: Some("geheim".into()),
            database: "shop".into(),
            ssl_mode: None,
        };
        let login = Login { user: "seatrial_1".into(), password: Some("geheim".into()) };
        let remote = Remote { reach, abilities: Abilities::ORDINARY, logins: [("app".into(), login)].into() };
        let endpoint = Endpoint::remote(remote);
        let shown = format!("{endpoint:?}");
        assert!(!shown.contains("geheim") && shown.contains("seatrial_1"), "{shown}");
        assert_eq!((endpoint.observer(), endpoint.login_of("app"), endpoint.login_of("x")), ("app", "seatrial_1", "x"));
    }
}
