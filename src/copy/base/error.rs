//! Why there is no base.

use crate::copy::facts::InspectError;
use crate::copy::live::LiveError;
use crate::copy::physical::PhysicalError;
use crate::copy::provider::PlaceError;
use crate::copy::restore::RestoreError;
use crate::copy::source::SourceError;
use crate::copy::state::StateError;
use crate::copy::stdin::StdinError;
use crate::engine::ServerError;
use crate::engine::postgres::binaries::BinariesError;
use crate::engine::postgres::server::ClusterError;
use std::path::PathBuf;
use thiserror::Error;

/// Why there is no base.
#[derive(Debug, Error)]
pub enum BaseError {
    /// The source cannot be used.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A running server could not be dumped.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// What comes on standard input is no dump, or could not be stored.
    #[error(transparent)]
    Stdin(#[from] StdinError),
    /// The dump cannot be read.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// No server, or none that is new enough.
    #[error(transparent)]
    Binaries(#[from] BinariesError),
    /// The dump was made from a newer server than any found.
    #[error("{name} was made from PostgreSQL {version}: {error}")]
    NewerSource {
        /// The dump.
        name: String,
        /// The version it names.
        version: String,
        /// What was found.
        error: BinariesError,
    },
    /// The dump was replaced meanwhile.
    #[error("{name} changed while it was being restored: run again")]
    Changed {
        /// The dump.
        name: String,
    },
    /// A server ran on the data directory after all, where its processes cannot be seen.
    #[error(
        "{name} changed while it was copied: does a server run on it in a container or on another machine? Stop it, or take a \
         base backup of it (pg_basebackup --pgdata=backup --checkpoint=fast) and give that"
    )]
    ChangedDirectory {
        /// The data directory.
        name: String,
    },
    /// Files of a server cannot be loaded into another one.
    #[error("{name} is a data directory, and an existing server takes dumps alone: leave [copies] out, or give a dump")]
    NoDump {
        /// The source.
        name: String,
    },
    /// It cannot be restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The copy of a data directory does not become a base.
    #[error(transparent)]
    Physical(#[from] PhysicalError),
    /// A server or its data directory is at fault.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The state folder is at fault.
    #[error(transparent)]
    State(#[from] StateError),
    /// The server the base is made on refuses what the tool itself asks.
    #[error("the server refused while the base was made: {0}")]
    Server(Box<ServerError>),
    /// No room.
    #[error(
        "the disk of {path} is full ({free} MB free): {name} needs about {needed} MB restored, and as much again for \
         the copy; free some space, or give --cache-dir on a bigger disk ({error})",
        path = path.display(), free = free >> 20, needed = needed >> 20
    )]
    DiskFull {
        /// The cache.
        path: PathBuf,
        /// Bytes free.
        free: u64,
        /// The source.
        name: String,
        /// Bytes it will need, by a rule of thumb.
        needed: u64,
        /// What failed.
        error: Box<BaseError>,
    },
    /// The place where copies are made is at fault.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// What is known of the base cannot be written.
    #[error("cannot write {path}: {error}", path = path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        error: std::io::Error,
    },
}
