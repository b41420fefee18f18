//! Finding PostgreSQL's own programs on this machine: a server to start, `pg_dump` and `pg_restore` to go with it.

use std::ffi::OsString;
use std::path::PathBuf;
use thiserror::Error;

/// Where to look, and for what.
#[derive(Debug, Clone, Default)]
pub struct BinaryRequest {
    /// `--postgres-bin`: the server must come from this folder.
    pub explicit: Option<PathBuf>,
    /// `SEATRIAL_POSTGRES_BIN`: the same, weaker; set but empty means that no server may be used at all.
    pub environment: Option<OsString>,
    /// The source's major version: no older server is ever chosen. `None`: the newest found.
    pub wanted_major: Option<u32>,
    /// `PATH`.
    pub path: Option<OsString>,
    /// Folders where packages put servers; `*` stands for one path component.
    pub usual_folders: Vec<String>,
    /// Seatrial's cache, whose `postgres/*/bin` is searched last.
    pub cache_dir: Option<PathBuf>,
}

impl BinaryRequest {
    /// What this process's environment says, with the options given on the command line.
    pub fn from_environment(explicit: Option<PathBuf>, wanted_major: Option<u32>, cache_dir: Option<PathBuf>) -> Self {
        let _ = (explicit, wanted_major, cache_dir);
        unimplemented!("written next")
    }
}

/// One program outside the server: `pg_dump` or `pg_restore`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolBinary {
    /// Absolute path.
    pub path: PathBuf,
    /// Its major version.
    pub major: u32,
}

/// A server's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// Folder of `postgres` and `initdb`.
    pub dir: PathBuf,
    /// As `postgres --version` says it: `15.18`, `18beta1`.
    pub version: String,
    /// Its major version.
    pub major: u32,
    /// The `pg_dump` to use with it, of at least its major: from the same folder, else the nearest found.
    pub pg_dump: Option<ToolBinary>,
    /// The `pg_restore` to use with it, likewise.
    pub pg_restore: Option<ToolBinary>,
}

/// Why there is no server to start, or no program to dump and restore with.
#[derive(Debug, Error)]
pub enum BinariesError {
    /// `SEATRIAL_POSTGRES_BIN` is empty.
    #[error(
        "PostgreSQL servers are switched off: SEATRIAL_POSTGRES_BIN is set but empty; unset it or give --postgres-bin DIR"
    )]
    Disabled,
}

impl Binaries {
    /// Chooses a server: the folder asked for, else the found one nearest to the wanted major from above, else the
    /// newest. The programs must be executable for the user servers run as.
    ///
    /// # Errors
    /// None found, only older ones, or a folder that does not serve; the message says how to get one.
    pub fn find(request: &BinaryRequest) -> Result<Self, BinariesError> {
        let _ = request;
        unimplemented!("written next")
    }

    /// Every server found, best place first: for a list of what is on the machine.
    pub fn all_found(request: &BinaryRequest) -> Vec<Self> {
        let _ = request;
        unimplemented!("written next")
    }

    /// Path of `postgres`.
    pub fn postgres(&self) -> PathBuf {
        self.dir.join("postgres")
    }

    /// Path of `initdb`.
    pub fn initdb(&self) -> PathBuf {
        self.dir.join("initdb")
    }
}

/// The nearest `name` (`pg_dump`, `pg_restore`) found whose major is at least `at_least`.
///
/// # Errors
/// None found; the message says which are there and how to get one.
pub fn find_tool(request: &BinaryRequest, name: &str, at_least: u32) -> Result<ToolBinary, BinariesError> {
    let _ = (request, name, at_least);
    unimplemented!("written next")
}
