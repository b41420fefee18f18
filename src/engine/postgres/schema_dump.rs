//! The text of a database's schema, as pg_dump prints it.

use super::binaries::Binaries;
use super::launch::{LaunchError, Tool, run_tool};
use super::server::SUPERUSER;
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
    for (name, value) in [
        ("PGHOST", endpoint.socket_dir.as_os_str().to_owned()),
        ("PGPORT", endpoint.port.to_string().into()),
        ("PGUSER", SUPERUSER.into()),
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
