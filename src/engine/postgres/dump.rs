//! The schema of a copy as `pg_dump` prints it: the one complete deparser there is.

use super::binaries::Binaries;
use super::launch::{LaunchError, Tool, run_tool};
use super::server::SUPERUSER;
use super::session::Endpoint;
use thiserror::Error;

/// Why there is no text.
#[derive(Debug, Error)]
pub enum DumpTextError {
    /// None for this server.
    #[error("there is no pg_dump for PostgreSQL {0}; install its client tools")]
    Missing(String),
    /// It cannot be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// It ended with an error.
    #[error("pg_dump failed: {0}")]
    Failed(String),
}

/// `pg_dump --schema-only`, owners and privileges included.
///
/// # Errors
/// See [`DumpTextError`].
pub async fn schema_text(binaries: &Binaries, endpoint: &Endpoint, database: &str) -> Result<String, DumpTextError> {
    let pg_dump = binaries.pg_dump.as_ref().ok_or_else(|| DumpTextError::Missing(binaries.version.clone()))?;
    let mut tool = Tool::new(pg_dump.path.clone());
    tool.args = ["--schema-only", "--no-sync", "--no-password"].map(Into::into).to_vec();
    // By environment: a database name with `=` in it would be read as a connection string.
    tool.env = vec![
        ("PGHOST".into(), endpoint.socket_dir.clone().into()),
        ("PGPORT".into(), endpoint.port.to_string().into()),
        ("PGUSER".into(), SUPERUSER.into()),
        ("PGDATABASE".into(), database.into()),
    ];
    let output = run_tool(tool).await?;
    if !output.status.success() {
        return Err(DumpTextError::Failed(output.stderr.trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
