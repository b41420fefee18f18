//! A disposable PostgreSQL server: a unix socket in a private folder, dead as soon as its owner is.

pub mod cluster;
pub mod settings;

use crate::copy::state::{RunDir, StateError};
use crate::engine::ServerError;
use crate::engine::postgres::binaries::Binaries;
use crate::engine::postgres::launch::LaunchError;
use crate::engine::postgres::session::Endpoint;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The bootstrap superuser of every cluster of ours.
pub const SUPERUSER: &str = "seatrial_superuser";

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

/// Why a cluster could not be made, copied, started or stopped.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// A program could not be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The state folder is at fault.
    #[error(transparent)]
    State(#[from] StateError),
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
    /// A running server refused something.
    #[error(transparent)]
    Server(Box<ServerError>),
}

/// A running server. Dropped, it is killed and waited for; its data directory stays, until the run's folder goes.
#[derive(Debug)]
pub struct Server {
    endpoint: Endpoint,
    data_dir: PathBuf,
}

impl Server {
    /// Starts a server on `data_dir`, which must have been stopped cleanly, and waits until it answers. The settings
    /// files in the directory are replaced: nothing a copied directory brought along applies.
    ///
    /// # Errors
    /// It does not start; the error carries the end of its log.
    pub async fn start(
        binaries: &Binaries,
        data_dir: &Path,
        run: &RunDir,
        options: &ServerOptions,
    ) -> Result<Self, ClusterError> {
        let _ = (binaries, data_dir, run, options);
        unimplemented!("written next")
    }

    /// Where it listens.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The last lines of its log. Values of user data may stand in them.
    pub fn log_tail(&self) -> String {
        unimplemented!("written next")
    }

    /// Stops it cleanly, so that its data directory can be copied. Sessions still open are ended.
    ///
    /// # Errors
    /// It did not stop in time, or not cleanly.
    pub async fn stop(self) -> Result<(), ClusterError> {
        unimplemented!("written next")
    }

    /// Ends it at once and removes its data directory.
    ///
    /// # Errors
    /// The directory cannot be removed.
    pub async fn destroy(self) -> Result<(), ClusterError> {
        unimplemented!("written next")
    }
}
