//! A disposable PostgreSQL server: a unix socket in a private folder, dead as soon as its owner is.

pub mod cluster;
mod settings;
pub mod single_user;

use crate::copy::state::{RunDir, StateError};
use crate::engine::postgres::binaries::Binaries;
use crate::engine::postgres::launch::confine::{self, Ability, Confined};
use crate::engine::postgres::launch::process::Process;
use crate::engine::postgres::launch::{LaunchError, RunAs, Tool};
use crate::engine::postgres::session::{Endpoint, Session};
use crate::engine::{OUTAGES, ServerError};
use cluster::CopyError;
use nix::sys::signal::Signal;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use thiserror::Error;

/// The bootstrap superuser of every cluster of ours.
pub const SUPERUSER: &str = "seatrial_superuser";

/// Sessions a server has room for: as many as by default for everybody, and [`RESERVED_CONNECTIONS`].
pub const MAX_CONNECTIONS: usize = 120;
/// Sessions that only superusers get: who looks on always gets in.
pub const RESERVED_CONNECTIONS: usize = 20;

/// How long a server may take until it answers; recovery after a crash takes longest.
const START_LIMIT: Duration = Duration::from_secs(120);
/// How long a server may take to shut down cleanly, writing everything out.
const STOP_LIMIT: Duration = Duration::from_secs(300);
/// How long an immediate shutdown may take: the postmaster gives its children five seconds.
const QUIT_LIMIT: Duration = Duration::from_secs(8);
/// How often a starting server is asked whether it is ready.
const ASK_AGAIN: Duration = Duration::from_millis(2);
/// How much of a log is shown, in bytes and in lines: its end.
const LOG_BYTES: u64 = 16 * 1024;
const LOG_LINES: usize = 20;
/// How much of a log is looked through for outages, in bytes: its end.
const MISHAP_BYTES: u64 = 4 << 20;

/// What a server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerMode {
    /// Restoring: as fast as it goes, nothing is measured.
    Loading,
    /// Measuring: WAL, visibility and plans as in production.
    Measuring,
}

/// How a server is started.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// What for.
    pub mode: ServerMode,
    /// Further settings, such as production's `work_mem`; they win over the mode's own.
    pub settings: Vec<(String, String)>,
}

impl From<ServerMode> for ServerOptions {
    fn from(mode: ServerMode) -> Self {
        Self { mode, settings: Vec::new() }
    }
}

/// Why a cluster could not be made, copied, started or stopped.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// A program could not be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The state folder is at fault.
    #[error(transparent)]
    State(#[from] StateError),
    /// A data directory could not be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// There is no data directory of ours to copy.
    #[error("the base is a database of another server: no server of its own can be started on a copy")]
    Elsewhere,
    /// A file or folder could not be handled.
    #[error("cannot {action} {path}: {error}", path = path.display())]
    File {
        /// A verb: `write`, `remove`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The operating system's answer.
        error: io::Error,
    },
    /// `initdb` failed, whatever the locale.
    #[error("{program} failed: {message}{advice}", program = program.display())]
    Initdb {
        /// Which one.
        program: PathBuf,
        /// What it said.
        message: String,
        /// What to do about it, if that is known.
        advice: &'static str,
    },
    /// The server ended, or answered with something other than "not yet".
    #[error("PostgreSQL {version} does not start: {reason}\n{log}")]
    NotReady {
        /// Its version.
        version: String,
        /// What happened.
        reason: String,
        /// The last lines of its log.
        log: String,
    },
    /// `postgres --single` ended with an error.
    #[error("PostgreSQL {version} does not read the data directory:\n{said}")]
    SingleUser {
        /// Its version.
        version: String,
        /// What it said of what went wrong.
        said: String,
    },
    /// Something befell the server while it worked.
    #[error("the copy's server {what}: what it answered cannot be relied on{advice}")]
    Mishap {
        /// What happened.
        what: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// The server did not shut down cleanly.
    #[error("PostgreSQL did not shut down cleanly ({end})\n{log}")]
    NotStopped {
        /// How it ended.
        end: String,
        /// The last lines of its log.
        log: String,
    },
}

impl ClusterError {
    fn file(action: &'static str, path: &Path, error: io::Error) -> Self {
        Self::File { action, path: path.to_owned(), error }
    }
}

/// A running server. Dropped, it is killed and waited for; its data directory stays, until the run's folder goes.
#[derive(Debug)]
pub struct Server {
    process: Process,
    endpoint: Endpoint,
    data_dir: PathBuf,
    log: PathBuf,
    confined: Confined,
    /// The run's folder outlives its servers.
    _run: RunDir,
}

impl Server {
    /// Starts a server on `data_dir` and waits until it answers, confined as far as this machine can. The settings files
    /// in the directory are replaced: nothing a copied directory brought along applies.
    ///
    /// # Errors
    /// It does not start; the error carries the end of its log.
    pub async fn start(
        binaries: &Binaries,
        data_dir: &Path,
        run: &RunDir,
        options: &ServerOptions,
    ) -> Result<Self, ClusterError> {
        let ability = confine::ability(&binaries.postgres()).await;
        let started = Self::start_able(binaries, data_dir, run, options, &ability).await;
        if started.is_ok() && !ability.proven {
            confine::remember(&binaries.postgres(), Ability { proven: true, ..ability.clone() });
        }
        let Err(error @ ClusterError::NotReady { .. }) = started else { return started };
        if !ability.files || ability.proven {
            return Err(error);
        }
        // A build that needs files in places nobody thought of. No SQL has run in it yet that could have brought this about.
        let why_not = vec!["its server does not start with them closed".to_owned()];
        let without = Ability { files: false, why_not, proven: true, ..ability };
        let Ok(server) = Self::start_able(binaries, data_dir, run, options, &without).await else { return Err(error) };
        confine::remember(&binaries.postgres(), without);
        Ok(server)
    }

    async fn start_able(
        binaries: &Binaries,
        data_dir: &Path,
        run: &RunDir,
        options: &ServerOptions,
        ability: &Ability,
    ) -> Result<Self, ClusterError> {
        settings::write(binaries, data_dir, run, options)?;
        let endpoint = Endpoint::private(run.socket_dir(), run.fresh_port());
        let log = run.path().join(format!("server-{}.log", endpoint.port));
        let (output, errors) = open_log(&log).map_err(|error| ClusterError::file("open", &log, error))?;

        let mut tool = Tool::new(binaries.postgres());
        tool.args = vec!["-D".into(), data_dir.into(), "-p".into(), endpoint.port.to_string().into()];
        tool.run_as = RunAs::ServerUser;
        tool.directory = data_dir.to_owned();
        // An immediate shutdown: the postmaster takes its children and its shared memory along.
        tool.death_signal = Signal::SIGQUIT;
        let folders = [data_dir, run.socket_dir()];
        let confinement = ability.for_server(binaries, &folders, settings::shares_memory_in_files());
        // The launch fails where it cannot do all of this.
        let confined = confinement.confined();
        tool.confinement = Some(confinement);
        let (process, _) = tool.spawn(output, errors)?;
        let mut server = Self { process, endpoint, data_dir: data_dir.to_owned(), log, confined, _run: run.clone() };
        run.remember_server(server.process.pid())?;

        match server.until_ready().await.and_then(|()| server.counts()) {
            Ok(()) => Ok(server),
            Err(reason) => {
                server.process.end(Signal::SIGQUIT, QUIT_LIMIT).await;
                let (version, log) = (binaries.version.clone(), server.log_tail());
                Err(ClusterError::NotReady { version, reason, log })
            }
        }
    }

    async fn until_ready(&mut self) -> Result<(), String> {
        let ready = async {
            loop {
                match Session::connect(&self.endpoint, "postgres", SUPERUSER, "seatrial").await {
                    Ok(session) => {
                        session.close().await;
                        return Ok(());
                    }
                    // A base keeps no database but its own; who says that one is missing is up.
                    Err(error) if error.sqlstate == "3D000" => return Ok(()),
                    Err(error) if !is_not_yet(&error) => return Err(error.to_string()),
                    Err(_) => tokio::time::sleep(ASK_AGAIN).await,
                }
            }
        };
        tokio::select! {
            ready = ready => ready,
            status = self.process.wait() => Err(describe(status)),
            () = tokio::time::sleep(START_LIMIT) => Err(format!("no answer within {} s", START_LIMIT.as_secs())),
        }
    }

    /// Servers before 15 go on without their counters where they find no socket for them: every table would seem untouched.
    fn counts(&self) -> Result<(), String> {
        let log = log_end(&self.log, LOG_BYTES).map_err(|error| format!("{}: {error}", self.log.display()))?;
        if log.contains("disabling statistics collector") {
            return Err("it counts nothing, as it cannot send to itself over the loopback: see that /etc/hosts names \
                        localhost, or give a server of 15 or newer with --postgres-bin"
                .to_owned());
        }
        Ok(())
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// What it is held to.
    pub fn confined(&self) -> Confined {
        self.confined
    }

    /// Waits until it ends, and says how. Only somebody else ends it meanwhile.
    pub async fn ended(&mut self) -> String {
        describe(self.process.wait().await)
    }

    /// Process id of its postmaster.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The last lines of its log. Values of user data may stand in them.
    pub fn log_tail(&self) -> String {
        // A log that cannot be read is only missing from a message about something else.
        log_tail(&self.log).unwrap_or_default()
    }

    /// Stops it cleanly, so that its data directory can be copied. Sessions still open are ended.
    ///
    /// # Errors
    /// It did not stop in time, or not cleanly.
    pub async fn stop(mut self) -> Result<(), ClusterError> {
        // A fast shutdown.
        let status = self.process.end(Signal::SIGINT, STOP_LIMIT).await;
        if status.success() {
            Ok(())
        } else {
            Err(ClusterError::NotStopped { end: describe(status), log: self.log_tail() })
        }
    }

    /// Ends it at once and removes its data directory. Last chance to learn that it was in no state to be asked anything:
    /// those who got its answers took them for answers about the migration.
    ///
    /// # Errors
    /// A process of it died, its disk was full, its files are damaged; or the directory cannot be removed.
    pub async fn destroy(mut self) -> Result<(), ClusterError> {
        let ended = self.process.status();
        self.process.end(Signal::SIGQUIT, QUIT_LIMIT).await;
        let (data_dir, log) = (self.data_dir.clone(), self.log.clone());
        let work = move || (mishap_in(&log), cluster::remove_data_dir(&data_dir));
        let (mishap, removed) =
            tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| (Ok(None), Err(io::Error::other(error))));
        removed.map_err(|error| ClusterError::file("remove", &self.data_dir, error))?;
        let mishap = mishap.map_err(|error| ClusterError::file("read", &self.log, error))?;
        match (mishap, ended) {
            (Some((what, advice)), _) => Err(ClusterError::Mishap { what, advice }),
            (None, Some(status)) => {
                let what = format!("was gone before its time ({})", describe(status));
                Err(ClusterError::Mishap { what, advice: "; was it short of memory? Run again" })
            }
            (None, None) => Ok(()),
        }
    }
}

/// No socket yet, or a server that is starting up.
fn is_not_yet(error: &ServerError) -> bool {
    matches!(error.sqlstate.as_str(), "" | "57P03")
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => "it ended".to_owned(),
    }
}

fn open_log(path: &Path) -> io::Result<(Stdio, Stdio)> {
    let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    Ok((file.try_clone()?.into(), file.into()))
}

fn log_tail(path: &Path) -> io::Result<String> {
    let text = log_end(path, LOG_BYTES)?;
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(LOG_LINES)..].join("\n"))
}

fn log_end(path: &Path, most: u64) -> io::Result<String> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
        opened => opened?,
    };
    let start = file.metadata()?.len().saturating_sub(most);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What the log says of an outage, and what to do about it; the first one, as others follow from it.
fn mishap_in(log: &Path) -> io::Result<Option<(String, &'static str)>> {
    Ok(log_end(log, MISHAP_BYTES)?.lines().find_map(mishap))
}

/// One line of the log: moment, `[pid]`, SQLSTATE, severity and message.
fn mishap(line: &str) -> Option<(String, &'static str)> {
    let (_, rest) = line.split_once("] ")?;
    let (code, rest) = rest.split_once(' ')?;
    let (severity, message) = rest.split_once(":  ")?;
    if message.starts_with("terminating any other active server processes") {
        return Some(("lost one of its processes".to_owned(), "; was it short of memory? Run again"));
    }
    // Ended by ourselves, its sessions say so as well.
    let severe = matches!(severity, "ERROR" | "FATAL" | "PANIC") && !code.starts_with("57");
    let (_, advice) = OUTAGES.iter().find(|(known, _)| severe && *known == code)?;
    Some((format!("failed ({message})"), advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mishap_is_told_from_what_a_migration_does() {
        let told = |rest: &str| mishap(&format!("2026-11-26 10:00:00.000 UTC [12] {rest}")).map(|(what, _)| what);
        let full = "could not extend file \"base/16384/1\": No space left on device";
        assert_eq!(told(&format!("53100 ERROR:  {full}")), Some(format!("failed ({full})")));
        assert!(told("XX001 ERROR:  invalid page in block 0 of relation base/1/2").is_some());
        assert!(told("58030 PANIC:  could not write to file").is_some());
        let crash = told("00000 LOG:  terminating any other active server processes");
        assert_eq!(crash.as_deref(), Some("lost one of its processes"));
        for usual in [
            "57P01 FATAL:  terminating connection due to administrator command",
            "23505 ERROR:  duplicate key value violates unique constraint \"53100 ERROR:  x\"",
            "53100 WARNING:  raised by a function",
            "00000 LOG:  database system is ready to accept connections",
        ] {
            assert_eq!(told(usual), None, "{usual}");
        }
    }
}
