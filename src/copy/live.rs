//! A running server as a source: dumped read-only, into a file that is kept for a while.

use crate::copy::fingerprint::write_private;
use crate::copy::origin::OriginSettings;
use crate::copy::state::{StateDir, StateError};
use crate::copy::url::SecretUrl;
use crate::engine::postgres::binaries::{BinariesError, BinaryRequest, ToolBinary, newest_tool};
use crate::engine::postgres::launch::{LaunchError, Tool, run_tool};
use sha2::{Digest, Sha256};
use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use thiserror::Error;

/// How long pg_dump waits for a lock that a migration in production holds.
const LOCK_WAIT: &str = "10s";
/// How often a dump that another process makes is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What pg_dump asks the server for: nothing is written, and no lock is waited for without end.
const SESSION_OPTIONS: &str = "-c default_transaction_read_only=on -c statement_timeout=0 -c lock_timeout=10s -c idle_in_transaction_session_timeout=0";

/// libpq's own settings that are handed on; where and which database to read is the URL's word alone.
const HANDED_ON: [&str; 15] = [
    // Where the password file, the service file and certificates are looked for.
    "HOME",
    "PGPASSWORD",
    "PGPASSFILE",
    "PGSERVICEFILE",
    "PGSYSCONFDIR",
    "PGUSER",
    "PGSSLMODE",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGSSLROOTCERT",
    "PGSSLCRL",
    "PGGSSENCMODE",
    "PGKRBSRVNAME",
    "KRB5CCNAME",
    "PGCHANNELBINDING",
];

/// A dump of a running server. As long as this lives, nobody replaces the file or clears it away.
#[derive(Debug)]
pub struct LiveDump {
    /// The file, in custom format.
    pub path: PathBuf,
    /// When it was taken.
    pub taken_at: SystemTime,
    /// An earlier one is used again.
    pub reused: bool,
    /// How the server's planner was set then.
    pub settings: OriginSettings,
    _lock: File,
}

/// Why a running server could not be dumped.
#[derive(Debug, Error)]
pub enum LiveError {
    /// No pg_dump.
    #[error(transparent)]
    Binaries(#[from] BinariesError),
    /// pg_dump cannot be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The state folder is at fault.
    #[error(transparent)]
    State(#[from] StateError),
    /// pg_dump failed.
    #[error("cannot dump {what}: {said}{next}")]
    Dump {
        /// Database and host.
        what: String,
        /// What pg_dump said.
        said: String,
        /// What to do.
        next: &'static str,
    },
    /// The dump file is at fault.
    #[error("cannot {action} {path}: {error}", path = path.display())]
    File {
        /// A verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The operating system's answer.
        error: std::io::Error,
    },
}

/// Dumps a running server into the state folder, or takes the dump made less than `max_age` ago. `progress` is told
/// database and host before anything is read from it.
///
/// # Errors
/// No pg_dump, a server that cannot be reached or read, or no room.
pub async fn fetch(
    state: &StateDir,
    request: &BinaryRequest,
    url: &SecretUrl,
    max_age: Duration,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Result<LiveDump, LiveError> {
    let folder = state.root().join("dumps");
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(file_error("create", &folder))?;
    let name = crate::copy::fingerprint::hexadecimal(Sha256::digest(url.identity()).as_slice());
    let lock = lock(&folder.join(format!("{name}.lock"))).await?;
    // When the dump was used last is told by its lock: its own time is that of its rows.
    lock.set_modified(SystemTime::now()).map_err(file_error("set the time of", &folder))?;
    let path = folder.join(format!("{name}.dump"));
    // Under the same lock as the dump, and with it in age: what differs between them would show as another plan.
    let beside = folder.join(format!("{name}.settings"));
    if let Ok(taken_at) = path.metadata().and_then(|metadata| metadata.modified())
        && taken_at.elapsed().is_ok_and(|age| age < max_age)
        && let Some(settings) = read_settings(&beside)
    {
        return Ok(LiveDump { path, taken_at, reused: true, settings, _lock: lock });
    }
    progress(&format!("dumping {url}, read-only"));
    // The newest one reads every server.
    let pg_dump = newest_tool(request, "pg_dump")?;
    let partial = Partial(folder.join(format!("{name}.partial")));
    partial.clear()?;
    let taken_at = SystemTime::now();
    dump(&pg_dump, url, &partial.0).await?;
    let settings = OriginSettings::ask(url).await;
    // What was not told now is asked again, and not kept as if it were nothing.
    let text = settings.is_known.then(|| serde_json::to_vec(&settings).map_err(std::io::Error::other));
    Partial(beside.clone()).clear()?;
    // Its age counts from when it was begun: that is the moment it shows.
    File::options()
        .append(true)
        .open(&partial.0)
        .and_then(|file| file.set_modified(taken_at))
        .map_err(file_error("set the time of", &partial.0))?;
    std::fs::rename(&partial.0, &path).map_err(file_error("rename", &partial.0))?;
    if let Some(text) = text {
        text.and_then(|text| write_private(&beside, &text)).map_err(file_error("write", &beside))?;
    }
    Ok(LiveDump { path, taken_at, reused: false, settings, _lock: lock })
}

/// What was written with a dump; `None` where it is not there or cannot be read, as beside dumps of before.
fn read_settings(path: &Path) -> Option<OriginSettings> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

async fn dump(pg_dump: &ToolBinary, url: &SecretUrl, to: &Path) -> Result<(), LiveError> {
    let mut tool = Tool::new(pg_dump.path.clone());
    let lock_wait = format!("--lock-wait-timeout={LOCK_WAIT}");
    tool.args = ["--format=custom", "--compress=1", "--create", "--no-sync", "--no-password", &lock_wait]
        .map(Into::into)
        .into();
    if pg_dump.major >= 18 {
        // What the server knows of its data: without it, the copy's planner would have to guess anew.
        tool.args.push("--statistics".into());
    }
    let mut file = std::ffi::OsString::from("--file=");
    file.push(to);
    tool.args.push(file);
    tool.args.push(format!("--dbname={}", url.without_password(SESSION_OPTIONS)).into());
    for name in HANDED_ON {
        if let Some(value) = std::env::var_os(name) {
            tool.env.push((name.into(), value));
        }
    }
    if let Some(password) = url.password() {
        tool.env.retain(|(name, _)| name != "PGPASSWORD");
        tool.env.push(("PGPASSWORD".into(), password.into()));
    }
    tool.env.push(("PGAPPNAME".into(), "seatrial".into()));
    tool.env.push(("PGCONNECT_TIMEOUT".into(), "15".into()));
    let output = run_tool(tool).await?;
    if output.status.success() {
        return Ok(());
    }
    let mut said = output.stderr.trim().to_owned();
    if let Some(password) = url.password().filter(|password| !password.is_empty()) {
        said = said.replace(password, "…");
    }
    Err(LiveError::Dump { what: url.to_string(), next: next_step(&said), said })
}

fn next_step(said: &str) -> &'static str {
    const STEPS: [(&str, &str); 6] = [
        ("server version mismatch", "; install client programs at least as new as that server"),
        ("unsupported startup parameter", "; this is a connection pool: give the address of the server itself"),
        ("lock timeout", "; another session holds a lock there: try again when it is done"),
        ("statement timeout", "; another session holds a lock there: try again when it is done"),
        ("row-level security", "; give a user that may read every row (BYPASSRLS)"),
        ("No space left", "; free some space, or give --cache-dir on a bigger disk"),
    ];
    STEPS.iter().find(|(sign, _)| said.contains(sign)).map_or("", |(_, step)| step)
}

/// A file being written. Dropped, it is removed.
struct Partial(PathBuf);

impl Partial {
    fn clear(&self) -> Result<(), LiveError> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file_error("remove", &self.0)(error)),
            _ => Ok(()),
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Once renamed there is nothing under this name; what cannot be removed now is cleared by the next dump.
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn lock(path: &Path) -> Result<File, LiveError> {
    let file = File::options().create(true).append(true).open(path).map_err(file_error("open", path))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOOK_AGAIN).await,
            Err(TryLockError::Error(error)) => return Err(file_error("lock", path)(error)),
        }
    }
}

fn file_error(action: &'static str, path: &Path) -> impl Fn(std::io::Error) -> LiveError {
    move |error| LiveError::File { action, path: path.into(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_next_step() {
        let said = "pg_dump: error: aborting because of server version mismatch";
        assert!(next_step(said).contains("client programs"));
        assert!(next_step("FATAL:  unsupported startup parameter: options").contains("connection pool"));
        let said = "pg_dump: error: could not write to output file: No space left on device";
        assert!(next_step(said).contains("--cache-dir"));
        assert_eq!(next_step("something else"), "");
    }
}
