//! The text of a database's schema, as pg_dump prints it.

use super::binaries::Binaries;
use super::launch::{LaunchError, Tool, run_tool};
use super::session::Endpoint;
use thiserror::Error;

/// What keeps pg_dump from printing.
#[derive(Debug, Error)]
pub enum SchemaDumpError {
    /// It is not there.
    #[error("no pg_dump was found beside PostgreSQL {version}; install the client programs of that version")]
    NoTool {
        /// The server's.
        version: String,
    },
    /// It cannot be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// It failed.
    #[error("pg_dump: {0}")]
    Failed(String),
}

/// What libpq itself reads where the URL of a server says nothing.
const HANDED_ON: [&str; 10] = [
    "HOME",
    "PGHOST",
    "PGPORT",
    "PGPASSWORD",
    "PGPASSFILE",
    "PGSSLMODE",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGSSLROOTCERT",
    "PGSSLCRL",
];

/// Owners and privileges included, rows left out.
///
/// # Errors
/// See [`SchemaDumpError`].
pub async fn schema_text(binaries: &Binaries, endpoint: &Endpoint, database: &str) -> Result<String, SchemaDumpError> {
    let Some(pg_dump) = &binaries.pg_dump else {
        return Err(SchemaDumpError::NoTool { version: binaries.version.clone() });
    };
    let mut tool = Tool::new(pg_dump.path.clone());
    tool.args = ["--schema-only", "--no-password", "--lock-wait-timeout=10s"].map(Into::into).into();
    match endpoint.as_remote() {
        None => {
            tool.env.push(("PGHOST".into(), endpoint.socket_dir.as_os_str().to_owned()));
            tool.env.push(("PGPORT".into(), endpoint.port.to_string().into()));
        }
        Some(remote) => {
            // By the environment alone, which nobody else can read; a password file and certificates are the caller's.
            tool.env.extend(HANDED_ON.iter().filter_map(|name| Some(((*name).into(), std::env::var_os(name)?))));
            let reach = &remote.reach;
            let port = reach.port.map(|port| port.to_string());
            let told = [("PGHOST", &reach.host), ("PGPORT", &port), ("PGSSLMODE", &reach.ssl_mode)];
            let told = told.into_iter().chain([("PGPASSWORD", &reach.password)]);
            tool.env.extend(told.filter_map(|(name, value)| Some((name.into(), value.as_ref()?.into()))));
        }
    }
    for (name, value) in [
        ("PGUSER", endpoint.observer().into()),
        ("PGDATABASE", database.into()),
        ("PGAPPNAME", "seatrial".into()),
        ("PGCLIENTENCODING", "UTF8".into()),
    ] {
        tool.env.push((name.into(), value));
    }
    let output = run_tool(tool).await?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(SchemaDumpError::Failed(output.stderr.trim().to_owned()))
    }
}
