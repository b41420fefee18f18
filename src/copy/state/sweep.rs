//! Clearing away what dead runs left behind.

use super::lock::{is_current, open_lock, take_from_the_dead};
use super::run::{LOCK, OUTSIDE, SERVERS, SOCKET_FOLDER};
use super::{StateDir, StateError, io_error, remove_folder};
use crate::engine::postgres::launch::process::start_time;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long processes may take to die of a signal: a postmaster gives its own children five seconds.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long they may take to end by themselves, or in good order.
const COURTESY: Duration = Duration::from_secs(2);
/// How often that is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Programs of ours, by the name the kernel knows them under; a shell somebody left in a folder is none.
const OUR_PROGRAMS: [&str; 5] = ["postgres", "initdb", "pg_dump", "pg_restore", "seatrial"];

/// Kills the servers of dead runs, removes their folders and half-made bases; returns a line for each thing done, or
/// not to be done. Blocks, as long as it takes servers to die.
///
/// # Errors
/// The state folder cannot be read or locked; what cannot be removed is a line of the result.
pub fn sweep(state: &StateDir) -> Result<Vec<String>, StateError> {
    let mut done = Vec::new();
    for (run, _lock) in dead_runs(state)? {
        let servers = kill_servers(&run) + kill_all_in(&run);
        let cleared = remove_outside_sockets(&run).and_then(|()| remove_folder(&run));
        done.push(line("an earlier run", &run, servers, cleared));
    }
    for (base, _lock) in dead_partials(state)? {
        let servers = kill_all_in(&base);
        done.push(line("a half-made base", &base, servers, remove_folder(&base)));
    }
    Ok(done)
}

fn line(what: &str, path: &Path, servers: usize, cleared: Result<(), StateError>) -> String {
    let path = path.display();
    let ended = match servers {
        0 => String::new(),
        1 => ", one process ended".to_owned(),
        several => format!(", {several} processes ended"),
    };
    match cleared {
        Ok(()) => format!("removed {what}: {path}{ended}"),
        Err(error) => format!("could not remove {what}: {error}{ended}"),
    }
}

/// Runs whose lock is free, with that lock now held, so that two sweeps share the work.
pub(super) fn dead_runs(state: &StateDir) -> Result<Vec<(PathBuf, Option<File>)>, StateError> {
    let _runs_stand_still = state.lock_runs()?;
    let mut dead = Vec::new();
    for run in children(&state.runs())? {
        let path = run.join(LOCK);
        match File::options().read(true).write(true).open(&path) {
            Ok(lock) => dead.extend(take_from_the_dead(lock, &path)?.map(|lock| (run, Some(lock)))),
            // Runs get their lock while the list stands still, so this one was cut off at its end.
            Err(error) if error.kind() == ErrorKind::NotFound => dead.push((run, None)),
            Err(error) => return Err(io_error("open", &path)(error)),
        }
    }
    Ok(dead)
}

pub(super) fn dead_partials(state: &StateDir) -> Result<Vec<(PathBuf, File)>, StateError> {
    let mut dead = Vec::new();
    for partial in children(&state.bases())? {
        if partial.extension().is_none_or(|extension| extension != "partial") {
            continue;
        }
        let path = partial.with_extension("lock");
        let Some(lock) = take_from_the_dead(open_lock(&path)?, &path)? else { continue };
        // Made into a base meanwhile, it is not there any more.
        if partial.exists() && is_current(&lock, &path)? {
            dead.push((partial, lock));
        }
    }
    Ok(dead)
}

/// What is in a folder.
pub(in crate::copy) fn children(folder: &Path) -> Result<Vec<PathBuf>, StateError> {
    let entries = std::fs::read_dir(folder).map_err(io_error("read", folder))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(io_error("read", folder))).collect()
}

/// Ends the servers a dead run wrote down, if they still are the same processes; returns how many.
fn kill_servers(run: &Path) -> usize {
    // No list means no server; a broken line was cut off before its server could have answered.
    let list = std::fs::read_to_string(run.join(SERVERS)).unwrap_or_default();
    let alive: Vec<Named> = list.lines().filter_map(Named::from_line).filter(Named::is_alive).collect();
    end_all(&alive, Some(Signal::SIGQUIT), PATIENCE);
    end_all(&alive, Some(Signal::SIGKILL), PATIENCE);
    alive.len()
}

/// Ends every process of ours that works in a folder: backends outlive a postmaster that was killed too hard, and
/// `initdb` is in no list. Returns how many.
///
/// They get the time to end by themselves first, which the children of a killed `initdb` do: ended by a signal, they
/// would leave their shared memory behind.
pub(super) fn kill_all_in(folder: &Path) -> usize {
    let mut ended = 0;
    for signal in [None, Some(Signal::SIGTERM), Some(Signal::SIGQUIT), Some(Signal::SIGKILL), Some(Signal::SIGKILL)] {
        // Anew each time: what was being started while we looked is seen the next time.
        let working = working_in(folder);
        let patience = if matches!(signal, Some(Signal::SIGQUIT | Signal::SIGKILL)) { PATIENCE } else { COURTESY };
        end_all(&working, signal, patience);
        ended = ended.max(working.len());
    }
    ended
}

/// A process by pid and start time: both equal, it is the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    pid: u32,
    started: u64,
}

impl Named {
    fn from_line(line: &str) -> Option<Self> {
        let (pid, started) = line.split_once(' ')?;
        Some(Self { pid: pid.parse().ok()?, started: started.parse().ok()? })
    }

    fn is_alive(&self) -> bool {
        start_time(self.pid) == Some(self.started)
    }
}

/// Sends a signal, if any, and waits for the ends, up to a limit.
fn end_all(processes: &[Named], signal: Option<Signal>, patience: Duration) {
    let mut left: Vec<&Named> = processes.iter().filter(|process| process.is_alive()).collect();
    for process in &left {
        // One that is gone, or another user's, is left over below and its folder reported as not removable.
        let _ = kill(Pid::from_raw(process.pid.cast_signed()), signal);
    }
    let deadline = Instant::now() + patience;
    while !left.is_empty() && Instant::now() < deadline {
        std::thread::sleep(LOOK_AGAIN);
        left.retain(|process| process.is_alive());
    }
}

/// Processes of ours whose working directory is in a folder; none where the system does not say.
fn working_in(folder: &Path) -> Vec<Named> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let working = entries.filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        // Other users' processes do not say where they work, and are none of ours.
        let cwd = std::fs::read_link(entry.path().join("cwd")).ok()?;
        let program = std::fs::read_to_string(entry.path().join("comm")).ok()?;
        let ours = cwd.starts_with(folder) && OUR_PROGRAMS.contains(&program.trim_end());
        let process = Named { pid, started: start_time(pid)? };
        (ours && pid != std::process::id()).then_some(process)
    });
    working.collect()
}

fn remove_outside_sockets(run: &Path) -> Result<(), StateError> {
    let path = run.join(SOCKET_FOLDER);
    let outside = match std::fs::read_to_string(&path) {
        Ok(outside) => outside,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error("read", &path)(error)),
    };
    // Only the one name this run can have used is ever removed.
    let id = run.file_name().and_then(|id| id.to_str()).unwrap_or_default();
    if outside == format!("{OUTSIDE}{id}") { remove_folder(Path::new(&outside)) } else { Ok(()) }
}
