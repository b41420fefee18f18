//! A command of the project's own: how it is told where a copy is, and what the log of the copy's server says it sent.

use super::apply::Target;
use super::launch::{LaunchError, Tool, ToolOutput, run_tool};
use super::session::{Session, quote_identifier};
use crate::engine::ServerError;
use crate::migration::recorded::{Command, Sent, log};
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

/// The copy's server logs all that is sent to it, in a file of its own.
pub const LOGGING: [(&str, &str); 11] = [
    ("logging_collector", "on"),
    ("log_destination", "csvlog"),
    ("log_directory", FOLDER),
    ("log_filename", "sent"),
    ("log_file_mode", "0600"),
    ("log_rotation_age", "0"),
    ("log_rotation_size", "0"),
    ("log_statement", "all"),
    ("log_min_error_statement", "error"),
    ("log_parameter_max_length", "-1"),
    ("log_min_messages", "warning"),
];
const FOLDER: &str = "seatrial_log";
const FILE: &str = "sent.csv";

/// The collector writes when it comes to it; whoever reads waits for a line of their own.
const MARK: &str = "SELECT 'all was sent'";
const WRITTEN: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What a role or a database has set is stronger than what the server was started with; what a role has set in a database
/// is stronger still.
///
/// # Errors
/// What the server says.
pub async fn log_everything_of(superuser: &mut Session, target: &Target) -> Result<(), ServerError> {
    let (role, database) = (quote_identifier(&target.role), quote_identifier(&target.database));
    for (name, value) in LOGGING.iter().filter(|(name, _)| PER_SESSION.contains(name)) {
        superuser.execute(&format!("ALTER ROLE {role} IN DATABASE {database} SET {name} = '{value}'")).await?;
        superuser.execute(&format!("SET {name} = '{value}'")).await?;
    }
    Ok(())
}

/// Those of [`LOGGING`] that sessions may have of their own.
const PER_SESSION: [&str; 4] =
    ["log_statement", "log_min_error_statement", "log_parameter_max_length", "log_min_messages"];

/// Why the log tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Its file.
    #[error("the log of the copy's server cannot be read: {0}")]
    Read(std::io::Error),
    /// The server itself.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// The command, told where the copy is. Nothing else that looks like a database's address is handed on, and no token of a
/// clone service: what is meant for production must not be reached by a slip.
///
/// # Errors
/// It cannot be started; that it fails is none.
pub async fn run(command: &Command, target: &Target) -> Result<ToolOutput, LaunchError> {
    let host = target.endpoint.socket_dir.to_string_lossy().into_owned();
    let port = target.endpoint.port.to_string();
    let known = [("role", &target.role), ("database", &target.database), ("host", &host), ("port", &port)];
    let url = known
        .iter()
        .fold(command.url.clone(), |url, (name, value)| url.replace(&format!("{{{name}}}"), &percent_encoded(value)));
    let mut tool = Tool::new("/bin/sh".into());
    tool.args = vec!["-c".into(), command.line.clone().into()];
    tool.directory.clone_from(&command.directory);
    // The shell is not the tool.
    tool.with_its_children = true;
    tool.env = std::env::vars_os().filter(|(name, value)| harmless(name, value)).collect();
    let own = [("PGHOST", &host), ("PGPORT", &port), ("PGUSER", &target.role), ("PGDATABASE", &target.database)];
    tool.env.extend(own.map(|(name, value)| (name.into(), value.into())));
    // Last, and so stronger than what is handed on.
    tool.env.extend(command.variables.iter().map(|name| (name.into(), url.clone().into())));
    run_tool(tool).await
}

fn harmless(name: &OsString, value: &OsString) -> bool {
    const PLACES: [&str; 4] = ["DB", "DATABASE", "POSTGRES", "POSTGRESQL"];
    const PARTS: [&str; 11] =
        ["HOST", "PORT", "USER", "USERNAME", "PASS", "PASSWORD", "NAME", "DATABASE", "DB", "DSN", "URL"];
    let (name, value) = (name.to_string_lossy().to_uppercase(), value.to_string_lossy().to_lowercase());
    let url = value.contains("://") && (value.contains("postgres") || value.contains('@'));
    let has = |words: &[&str]| words.iter().any(|word| value.contains(&format!("{word}=")));
    let keywords =
        has(&["host", "server", "data source"]) && has(&["dbname", "database", "user", "username", "password"]);
    let part = name.split_once('_').is_some_and(|(place, part)| PLACES.contains(&place) && PARTS.contains(&part));
    let ours = name.starts_with("SEATRIAL_") || name == crate::copy::provider::neon::TOKEN;
    !name.starts_with("PG") && !ours && !url && !keywords && !part
}

/// As in a URL: everything but letters, digits and `-._~/`.
fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// What sessions of `role` have sent so far to the server with this data directory, started with [`LOGGING`].
///
/// # Errors
/// See [`LogError`].
pub async fn sent(session: &mut Session, data_dir: &Path, role: &str) -> Result<Vec<Sent>, LogError> {
    Ok(log::sent(&read_log(session, data_dir).await?, role))
}

/// The log as it is once everything sent so far is in it.
async fn read_log(session: &mut Session, data_dir: &Path) -> Result<String, LogError> {
    session.query(MARK).await?;
    let path = data_dir.join(FOLDER).join(FILE);
    let started = Instant::now();
    loop {
        let csv = tokio::fs::read(&path).await.map_err(LogError::Read)?;
        let csv = String::from_utf8_lossy(&csv);
        if csv.contains(MARK) {
            return Ok(csv.into_owned());
        }
        if started.elapsed() > WRITTEN {
            return Err(LogError::Read(std::io::ErrorKind::TimedOut.into()));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_database_s_address_is_handed_on() {
        let kept = |name: &str, value: &str| harmless(&name.into(), &value.into());
        assert!(kept("PATH", "/usr/bin") && kept("HOME", "/home/me") && kept("DOCS", "https://example.org/"));
        assert!(!kept("PGPASSWORD", "x") && !kept("DATABASE_URL", "postgres://app@db/prod"));
        assert!(!kept("ConnectionStrings__Default", "Host=db;Database=x;Password=y") && !kept("DSN", "host=db user=a"));
        assert!(!kept("DB_HOST", "db") && !kept("POSTGRES_PASSWORD", "x") && kept("DB_POOL", "5"));
        assert!(!kept("NEON_API_KEY", "napi_x") && !kept("SEATRIAL_DBLAB_TOKEN", "x"));
        assert!(!kept("PROD", "mysql://app:secret@db/prod") && !kept("OTHER", "postgresql+asyncpg:///prod"));
    }

    #[test]
    fn names_in_an_address_are_encoded() {
        assert_eq!(percent_encoded("/run/a b/ü'@"), "/run/a%20b/%C3%BC%27%40");
    }
}
