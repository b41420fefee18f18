//! Starting other programs so that they never outlive this one, and never run as root when they must not.
//!
//! The program is started through a second call of this executable, which drops root's rights, asks the kernel for a
//! signal at its parent's death, and then becomes the program. The kernel means the *thread* that started it: see
//! [`process`].

pub mod process;

use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::{ChildStdout, ExitCode, ExitStatus};
use thiserror::Error;

/// Whose rights a program runs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunAs {
    /// The caller's own, root's too: what must read the user's files.
    Caller,
    /// The user servers run as: the caller, or when that is root, the user `seatrial`, else `nobody`.
    ServerUser,
}

/// A program to run to its end.
#[derive(Debug)]
pub struct Tool {
    /// Absolute path.
    pub program: PathBuf,
    /// Its arguments. Nothing secret: everybody can read them while it runs.
    pub args: Vec<OsString>,
    /// Added to the scrubbed environment (`PATH`, `LANG`, `LC_ALL`, `TZ`, `HOME`).
    pub env: Vec<(OsString, OsString)>,
    /// Whose rights it has.
    pub run_as: RunAs,
    /// Its working directory; relative paths among the arguments start here.
    pub directory: PathBuf,
    /// What it reads; nothing when `None`.
    pub stdin: Option<File>,
    /// The signal that ends it when this process dies or gives it up.
    pub death_signal: Signal,
}

/// How a program ended.
#[derive(Debug)]
pub struct ToolOutput {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote to standard output, when that was not streamed.
    pub stdout: Vec<u8>,
    /// The end of what it wrote to standard error, at most 64 KiB.
    pub stderr: String,
}

/// A program under way. Dropped, it is killed.
#[derive(Debug)]
pub struct RunningTool {
    /// Its standard output, to be read to the end before waiting; `tokio::process::ChildStdout::from_std` takes it too.
    pub stdout: Option<ChildStdout>,
    process: process::Process,
}

/// Why a program could not be started.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// The operating system refused.
    #[error("cannot start {program}: {error}", program = program.display())]
    Spawn {
        /// What was to be started.
        program: PathBuf,
        /// Its answer.
        error: std::io::Error,
    },
}

/// A user and group that programs run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUser {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// Does the hidden second call's work, if this is one. The first thing `main` does, before any runtime or argument
/// parser; whoever does not call it must name a launcher with [`set_launcher`].
pub fn run_if_helper() -> Option<ExitCode> {
    unimplemented!("written next")
}

/// Names the executable whose `main` calls [`run_if_helper`], where that is not this one: in tests.
pub fn set_launcher(path: PathBuf) {
    let _ = path;
    unimplemented!("written next")
}

/// The user servers run as when this process is root; `None` when it is not, and servers run as the caller.
///
/// # Errors
/// Neither `seatrial` nor `nobody` exists.
pub fn server_user() -> Result<Option<ServerUser>, LaunchError> {
    unimplemented!("written next")
}

impl Tool {
    /// A program run as the caller, in `/`, with nothing to read, ended by SIGTERM.
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            args: Vec::new(),
            env: Vec::new(),
            run_as: RunAs::Caller,
            directory: PathBuf::from("/"),
            stdin: None,
            death_signal: Signal::SIGTERM,
        }
    }
}

/// Runs a program to its end, both outputs captured.
///
/// # Errors
/// It cannot be started; a failing exit status is not an error here.
pub async fn run_tool(tool: Tool) -> Result<ToolOutput, LaunchError> {
    let _ = tool;
    unimplemented!("written next")
}

/// Starts a program whose standard output is read while it runs.
///
/// # Errors
/// It cannot be started.
pub async fn start_tool(tool: Tool) -> Result<RunningTool, LaunchError> {
    let _ = tool;
    unimplemented!("written next")
}

impl RunningTool {
    /// Waits for the end; `stdout` of the result is empty.
    pub async fn wait(self) -> ToolOutput {
        unimplemented!("written next")
    }
}
