//! A child process and the thread that lives as long as it does.
//!
//! The kernel sends the parent-death signal when the *thread* that started a child ends. So each child has a thread of
//! its own, which starts it, waits for it, and reaps it.

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How much of standard error is kept, in bytes: its end.
const STDERR_KEPT: usize = 64 * 1024;

/// How long a child may take to die of its death signal before SIGKILL: a postmaster gives its own children five
/// seconds.
const PATIENCE: Duration = Duration::from_secs(8);

/// A child under way. Dropped, it is ended with its death signal, then with SIGKILL, and waited for.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    /// Signals go to its whole process group.
    group: bool,
    death_signal: Signal,
    shared: Arc<Shared>,
    exited: watch::Receiver<bool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    end: Mutex<End>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct End {
    /// Set under the same lock in which the child is reaped: while this is `None`, its pid is nobody else's.
    status: Option<ExitStatus>,
    stderr: Vec<u8>,
}

impl Shared {
    fn end(&self) -> MutexGuard<'_, End> {
        // Nothing panics while holding it; a poisoned lock would hold sound values all the same.
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    /// Starts a child; its standard output comes back if the command pipes it, its standard error is kept if piped.
    ///
    /// # Errors
    /// The thread or the child cannot be started.
    pub(super) fn spawn(
        mut command: Command,
        death_signal: Signal,
        group: bool,
    ) -> io::Result<(Self, Option<ChildStdout>)> {
        let shared = Arc::new(Shared::default());
        let (report_exit, exited) = watch::channel(false);
        let (report_start, started) = std::sync::mpsc::sync_channel(1);
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("child".into()).spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    // The receiver waits for exactly this message.
                    let _ = report_start.send(Err(error));
                    return;
                }
            };
            drop(command);
            let stderr = child.stderr.take();
            let _ = report_start.send(Ok((child.id(), child.stdout.take())));
            see_to_its_end(&mut child, stderr, &for_thread);
            // Nobody may be left who wants to know.
            let _ = report_exit.send(true);
        })?;
        let (pid, stdout) = started.recv().unwrap_or_else(|_| Err(io::Error::other("its thread ended early")))?;
        Ok((Self { pid, group, death_signal, shared, exited, thread: Some(thread) }, stdout))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, if it has.
    pub fn status(&self) -> Option<ExitStatus> {
        self.shared.end().status
    }

    /// The end of what it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.shared.end().stderr).into_owned()
    }

    /// Sends a signal, unless it has ended already.
    pub fn signal(&self, signal: Signal) {
        let end = self.shared.end();
        if end.status.is_none() {
            // It is our unreaped child, so the only failure is one that changed its user under us, and SIGKILL at the
            // next sweep meets the same wall.
            let pid = Pid::from_raw(self.pid.cast_signed());
            let _ = if self.group { killpg(pid, signal) } else { kill(pid, signal) };
        }
    }

    /// Waits for its end.
    pub async fn wait(&mut self) -> ExitStatus {
        // An error means that the thread is gone, and then the status is set.
        let _ = self.exited.wait_for(|exited| *exited).await;
        self.status().unwrap_or_else(unknown_status)
    }

    /// Sends a signal and waits for the end; SIGKILL after `patience`.
    pub async fn end(&mut self, signal: Signal, patience: Duration) -> ExitStatus {
        self.signal(signal);
        if let Ok(status) = tokio::time::timeout(patience, self.wait()).await {
            return status;
        }
        self.signal(Signal::SIGKILL);
        self.wait().await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(self.death_signal);
        let deadline = Instant::now() + PATIENCE;
        let mut end = self.shared.end();
        while end.status.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            end = self.shared.changed.wait_timeout(end, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(end);
        self.signal(Signal::SIGKILL);
        if let Some(thread) = self.thread.take() {
            // The thread does not panic, and if it did there would be nothing left to do.
            let _ = thread.join();
        }
    }
}

fn see_to_its_end(child: &mut Child, stderr: Option<ChildStderr>, shared: &Shared) {
    if let Some(mut stderr) = stderr {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = stderr.read(&mut chunk) {
            let kept = &mut shared.end().stderr;
            kept.extend_from_slice(&chunk[..count]);
            let surplus = kept.len().saturating_sub(STDERR_KEPT);
            kept.drain(..surplus);
        }
    }
    wait_without_reaping(child);
    let mut end = shared.end();
    end.status = Some(child.wait().unwrap_or_else(|_| unknown_status()));
    shared.changed.notify_all();
}

/// Somebody else reaped the child (SIGCHLD ignored by whoever started us): it is gone, and how is lost.
fn unknown_status() -> ExitStatus {
    ExitStatus::from_raw(255 << 8)
}

#[cfg(target_os = "linux")]
fn wait_without_reaping(child: &mut Child) {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    let pid = Pid::from_raw(child.id().cast_signed());
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(nix::errno::Errno::EINTR) {}
}

#[cfg(not(target_os = "linux"))]
fn wait_without_reaping(child: &mut Child) {
    // Without waitid's WNOWAIT the child is reaped here; std remembers the status for the caller.
    let _ = child.wait();
}

/// When a process started, in the system's own unit; `None` when it is dead. With the pid, it names one process.
#[cfg(target_os = "linux")]
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, spaces and parentheses too. The state is the first field after it.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    if matches!(*fields.first()?, "Z" | "X") { None } else { fields.get(19)?.parse().ok() }
}

/// When a process started, in the system's own unit; `None` when it is dead. With the pid, it names one process.
#[cfg(not(target_os = "linux"))]
pub fn start_time(pid: u32) -> Option<u64> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let output = Command::new("ps").args(["-o", "lstart=", "-p", &pid.to_string()]).output().ok()?;
    let started = output.stdout.trim_ascii();
    let mut hasher = DefaultHasher::new();
    started.hash(&mut hasher);
    (!started.is_empty()).then(|| hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    #[tokio::test]
    async fn the_end_and_the_last_words_are_known() {
        let (mut process, _) = Process::spawn(shell("echo why >&2; exit 7"), Signal::SIGTERM, false).expect("a shell");
        assert_eq!(process.wait().await.code(), Some(7));
        assert_eq!(process.stderr(), "why\n");
    }

    #[tokio::test]
    async fn a_dropped_process_is_dead() {
        let (process, _) = Process::spawn(shell("exec sleep 1000"), Signal::SIGTERM, false).expect("a shell");
        let pid = process.pid();
        assert!(start_time(pid).is_some());
        drop(process);
        assert_eq!(start_time(pid), None);
    }

    #[tokio::test]
    async fn deafness_to_the_signal_is_answered_with_sigkill() {
        let (mut process, stdout) = {
            let mut command = shell("trap '' TERM; echo ready; exec sleep 1000");
            command.stdout(Stdio::piped()).stderr(Stdio::null());
            Process::spawn(command, Signal::SIGTERM, false).expect("a shell")
        };
        let mut ready = [0; 6];
        stdout.expect("a pipe").read_exact(&mut ready).expect("the trap is set");
        let status = process.end(Signal::SIGTERM, Duration::from_millis(1)).await;
        assert_eq!(status.signal(), Some(Signal::SIGKILL as i32));
    }

    #[test]
    fn this_process_has_a_start_time_and_no_process_has_none() {
        assert!(start_time(std::process::id()).is_some());
        assert_eq!(start_time(u32::MAX), None);
    }
}
