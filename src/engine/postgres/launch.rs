//! Starting other programs so that they never outlive this one, and never run as root when they must not.
//!
//! The program is started through a second call of this executable, which drops root's rights, asks the kernel for a
//! signal at its parent's death, and then becomes the program. The kernel means the *thread* that started it: see
//! [`process`].

pub mod confine;
pub mod process;

use confine::{Confinement, Network};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, User, geteuid, getppid};
use process::Process;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::sync::OnceLock;
use thiserror::Error;

/// First argument of the hidden second call.
const HELPER: &str = "__launch";

/// Where the rights of the caller are kept.
const KEEP_USER: &str = "-";

/// Settings the user wants in sessions with servers of their own. sqlx would hand them to ours, where they would change
/// plans, and it has no way to be told otherwise.
const FOREIGN_OPTIONS: &str = "PGOPTIONS";

/// The executable whose `main` calls [`run_if_helper`].
static LAUNCHER: OnceLock<PathBuf> = OnceLock::new();

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
    /// Added to the scrubbed environment (`PATH`, `LANG`, `LC_ALL`, `TZ`, `HOME`), and stronger.
    pub env: Vec<(OsString, OsString)>,
    /// Whose rights it has.
    pub run_as: RunAs,
    /// Its working directory; relative paths among the arguments start here.
    pub directory: PathBuf,
    /// What it reads; nothing when `None`.
    pub stdin: Option<File>,
    /// The signal that ends it when this process dies or gives it up.
    pub death_signal: Signal,
    /// What it starts itself gets that signal, too, where this process gives it up.
    pub with_its_children: bool,
    /// What it may reach, for a disposable server; `None`: whatever its user may.
    pub confinement: Option<Confinement>,
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
    process: Process,
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
        error: io::Error,
    },
    /// Neither [`run_if_helper`] nor [`set_launcher`] was called.
    #[error("cannot start {program}: this executable is no launcher; call launch::set_launcher with one that is", program = program.display())]
    NoLauncher {
        /// What was to be started.
        program: PathBuf,
    },
    /// Root has nobody to hand a server to.
    #[error(
        "PostgreSQL refuses to run as root and there is neither a user `seatrial` nor `nobody` to run it; \
         create one: useradd --system seatrial"
    )]
    NoServerUser,
    /// The system's list of users cannot be read.
    #[error("cannot look up the user `{name}`: {error}")]
    Users {
        /// Who was looked up.
        name: &'static str,
        /// The system's answer.
        error: Errno,
    },
}

/// A user and group that programs run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUser {
    /// Login name.
    pub name: String,
    /// User id, never 0.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl ServerUser {
    /// The first folder on the way to `path`, or `path` itself, that this user may not enter or execute, by its mode.
    pub fn blocked_at(&self, path: &Path) -> Option<PathBuf> {
        let real = path.canonicalize().ok()?;
        let mut way: Vec<&Path> = real.ancestors().collect();
        way.reverse();
        let blocked = way.into_iter().find(|step| {
            step.metadata().is_ok_and(|metadata| {
                let shift = match (metadata.uid() == self.uid, metadata.gid() == self.gid) {
                    (true, _) => 6,
                    (false, true) => 3,
                    (false, false) => 0,
                };
                (metadata.mode() >> shift) & 0o1 == 0
            })
        });
        blocked.map(Path::to_owned)
    }
}

/// Does the hidden second call's work, if this is one. The first thing `main` does, before any runtime or argument
/// parser; whoever does not call it must name a launcher with [`set_launcher`].
pub fn run_if_helper() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|first| first != HELPER) {
        if let Some(own) = own_executable() {
            if std::env::var_os(FOREIGN_OPTIONS).is_some() {
                return Some(begin_anew(&own));
            }
            // Set already means that a test named another one, which is stronger.
            let _ = LAUNCHER.set(own);
        }
        return None;
    }
    let reason = become_program(args);
    // Nobody is left to tell when this fails too.
    let _ = writeln!(io::stderr(), "seatrial: {reason}");
    Some(ExitCode::from(127))
}

/// Becomes this same program again, without the variable.
fn begin_anew(own: &Path) -> ExitCode {
    let mut args = std::env::args_os();
    let mut command = Command::new(own);
    command.arg0(args.next().unwrap_or_else(|| "seatrial".into()));
    let error = command.args(args).env_remove(FOREIGN_OPTIONS).exec();
    // Nobody is left to tell when this fails too.
    let _ = writeln!(io::stderr(), "seatrial: cannot start again without {FOREIGN_OPTIONS}: {error}; unset it");
    ExitCode::from(2)
}

/// This executable, by a name that stays true when it is replaced on disk while it runs.
pub(crate) fn own_executable() -> Option<PathBuf> {
    let by_process = PathBuf::from("/proc/self/exe");
    if by_process.exists() { Some(by_process) } else { std::env::current_exe().ok() }
}

/// Names the executable whose `main` calls [`run_if_helper`], where that is not this one: in tests.
pub fn set_launcher(path: PathBuf) {
    // A second name changes nothing: tests of one program all name the same.
    let _ = LAUNCHER.set(path);
}

/// Turns this process into the program asked for; returns only with the reason why not.
fn become_program(mut args: impl Iterator<Item = OsString>) -> String {
    let mut word = || args.next().and_then(|word| word.into_string().ok()).unwrap_or_default();
    let (parent, signal, user) = (word(), word(), word());
    let confinement = Confinement::from_words(&mut args);
    let (Some(confinement), Some(program)) = (confinement, args.next()) else {
        return format!("{HELPER} is called by seatrial itself, not by hand");
    };
    let Ok(signal) = signal.parse::<Signal>() else {
        return format!("{HELPER}: `{signal}` is no signal");
    };
    let network = confinement.as_ref().map_or(Network::Open, |confinement| confinement.network);
    if confinement.is_some()
        && let Err(error) = confine::give_way()
    {
        return format!("cannot switch off core dumps: {error}");
    }
    // While this is root, who may do it without a user namespace.
    if network == Network::Namespace
        && let Err(error) = confine::close_network()
    {
        return format!("cannot make a network namespace: {error}");
    }
    if user != KEEP_USER {
        let ids = user.split_once(':').and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)));
        let Some((uid, gid)) = ids else {
            return format!("{HELPER}: `{user}` is no uid:gid");
        };
        if let Err(error) = give_up_root(uid, gid) {
            return format!("cannot become user {uid}, group {gid}: {error}");
        }
    }
    if network == Network::UserNamespace
        && let Err(error) = confine::close_network_as_user()
    {
        return format!("cannot make a network namespace within a user namespace: {error}");
    }
    if let Some(files) = confinement.as_ref().and_then(|confinement| confinement.files.as_ref())
        && let Err(reason) = confine::restrict(files)
    {
        return format!("cannot keep {} to its own files: {reason}", program.display());
    }
    // What the program writes is nobody else's to read, whatever the caller's umask is.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    // After the change of user, which would clear it.
    if let Err(error) = die_with_parent(signal) {
        return format!("cannot ask for a signal at the parent's death: {error}");
    }
    // A parent that died before that sends no signal any more.
    if parent.parse().map(Pid::from_raw) != Ok(getppid()) {
        return "the parent is gone".into();
    }
    let error = Command::new(&program).args(args).exec();
    format!("cannot start {}: {error}", program.display())
}

#[cfg(target_os = "linux")]
fn give_up_root(uid: u32, gid: u32) -> nix::Result<()> {
    use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
    setgroups(&[])?;
    setgid(Gid::from_raw(gid))?;
    setuid(Uid::from_raw(uid))?;
    // Nothing a server's superuser starts gets back up through a set-user-id program.
    nix::sys::prctl::set_no_new_privs()
}

#[cfg(not(target_os = "linux"))]
fn give_up_root(_uid: u32, _gid: u32) -> nix::Result<()> {
    Err(Errno::EOPNOTSUPP)
}

#[cfg(target_os = "linux")]
fn die_with_parent(signal: Signal) -> nix::Result<()> {
    nix::sys::prctl::set_pdeathsig(signal)
}

/// Only Linux has the signal; elsewhere the next start's sweep ends what a killed run left.
#[cfg(not(target_os = "linux"))]
fn die_with_parent(_signal: Signal) -> nix::Result<()> {
    Ok(())
}

/// The user servers run as when this process is root; `None` when it is not, and servers run as the caller.
///
/// Never `postgres`, which owns the machine's real cluster.
///
/// # Errors
/// Neither `seatrial` nor `nobody` exists.
pub fn server_user() -> Result<Option<ServerUser>, LaunchError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    for name in ["seatrial", "nobody"] {
        let user = User::from_name(name).map_err(|error| LaunchError::Users { name, error })?;
        if let Some(user) = user.filter(|user| !user.uid.is_root()) {
            let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
            return Ok(Some(ServerUser { name: user.name, uid, gid }));
        }
    }
    Err(LaunchError::NoServerUser)
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
            with_its_children: false,
            confinement: None,
        }
    }

    /// Starts it, its outputs going where the caller says.
    pub(super) fn spawn(self, stdout: Stdio, stderr: Stdio) -> Result<(Process, Option<ChildStdout>), LaunchError> {
        let Some(launcher) = LAUNCHER.get() else {
            return Err(LaunchError::NoLauncher { program: self.program });
        };
        let user = match self.run_as {
            RunAs::Caller => None,
            RunAs::ServerUser => server_user()?,
        };
        let mut command = Command::new(launcher);
        command
            .arg0("seatrial")
            .arg(HELPER)
            .arg(std::process::id().to_string())
            .arg(self.death_signal.as_str())
            .arg(user.map_or(KEEP_USER.to_owned(), |user| format!("{}:{}", user.uid, user.gid)))
            .args(Confinement::words(self.confinement.as_ref()))
            .arg(&self.program)
            .args(self.args)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LANG", "C")
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env("HOME", "/nonexistent")
            .envs(self.env)
            .current_dir(self.directory)
            // A group of its own: the terminal's Ctrl-C is for us, and we end our children in order.
            .process_group(0)
            .stdin(self.stdin.map_or_else(Stdio::null, Stdio::from))
            .stdout(stdout)
            .stderr(stderr);
        Process::spawn(command, self.death_signal, self.with_its_children)
            .map_err(|error| LaunchError::Spawn { program: self.program, error })
    }
}

/// Runs a program to its end, both outputs captured.
///
/// # Errors
/// It cannot be started; a failing exit status is not an error here.
pub async fn run_tool(tool: Tool) -> Result<ToolOutput, LaunchError> {
    let program = tool.program.clone();
    let mut running = start_tool(tool).await?;
    let mut stdout = Vec::new();
    if let Some(mut pipe) = running.stdout.take() {
        let read = move || pipe.read_to_end(&mut stdout).map(|_| stdout);
        let read = tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        stdout = read.map_err(|error| LaunchError::Spawn { program, error })?;
    }
    Ok(ToolOutput { stdout, ..running.wait().await })
}

/// Starts a program whose standard output is read while it runs.
///
/// # Errors
/// It cannot be started.
pub async fn start_tool(tool: Tool) -> Result<RunningTool, LaunchError> {
    let (process, stdout) = tool.spawn(Stdio::piped(), Stdio::piped())?;
    Ok(RunningTool { stdout, process })
}

impl RunningTool {
    /// Waits for the end; `stdout` of the result is empty.
    pub async fn wait(mut self) -> ToolOutput {
        // A full pipe nobody reads would keep it from ending.
        self.stdout = None;
        let status = self.process.wait().await;
        ToolOutput { status, stdout: Vec::new(), stderr: self.process.stderr() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_closed_to_others_blocks() {
        use std::os::unix::fs::PermissionsExt;
        let outer = tempfile::tempdir().expect("a folder");
        let inner = outer.path().join("inner");
        std::fs::create_dir(&inner).expect("a folder in it");
        let set_mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("its owner may");
        };
        set_mode(&inner, 0o711);
        set_mode(outer.path(), 0o700);
        let stranger = ServerUser { name: "stranger".into(), uid: 4_000_000, gid: 4_000_000 };
        let outer_path = outer.path().canonicalize().expect("its real name");
        assert_eq!(stranger.blocked_at(&inner), Some(outer_path.clone()));
        set_mode(&outer_path, 0o711);
        assert_eq!(stranger.blocked_at(&inner), None);
    }

    #[test]
    fn the_helper_refuses_what_it_cannot_read() {
        let call = |words: &[&str]| become_program(words.iter().map(OsString::from));
        assert!(call(&[]).contains("not by hand"));
        assert!(call(&["1", "SIGTERM", "-", "1", "nonsense", "/bin/true"]).contains("not by hand"));
        assert!(call(&["1", "SIGNONE", "-", "0", "/bin/true"]).contains("no signal"));
        assert!(call(&["1", "SIGTERM", "root", "0", "/bin/true"]).contains("no uid:gid"));
    }

    #[tokio::test]
    async fn a_program_that_is_no_launcher_says_so() {
        let error = run_tool(Tool::new("/bin/true".into())).await.expect_err("no launcher was named");
        assert!(matches!(error, LaunchError::NoLauncher { .. }), "{error}");
    }
}
