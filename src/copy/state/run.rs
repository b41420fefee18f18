//! The folder of one run.

use super::lock::{open_lock, sign};
use super::sweep::kill_all_in;
use super::{StateDir, StateError, io_error, make_private, remove_folder};
use crate::engine::postgres::launch::ServerUser;
use crate::engine::postgres::launch::process::start_time;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

/// Name of the lock in a run's folder.
pub(super) const LOCK: &str = "lock";
/// Name of the list of servers in it: a line each, pid and start time.
pub(super) const SERVERS: &str = "servers";
/// Name of the file that says where the socket folder is, if not in the run's own.
pub(super) const SOCKET_FOLDER: &str = "socket-folder";
/// How a socket folder outside begins; the run's id follows.
pub(super) const OUTSIDE: &str = "/tmp/seatrial-";

/// Longest path of a unix socket, in bytes, without the terminating zero.
const SOCKET_PATH_LIMIT: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
/// What PostgreSQL appends to the socket folder's path.
const SOCKET_NAME: &str = "/.s.PGSQL.65535";
/// Number in the first server's socket name; no TCP port is ever opened.
const FIRST_PORT: u16 = 5432;

/// The folder of one run, and the claim to be alive. Clones share it; the last one dropped removes it.
#[derive(Debug, Clone)]
pub struct RunDir {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    socket_dir: PathBuf,
    user: Option<ServerUser>,
    next_port: AtomicU16,
    next_name: AtomicU32,
    /// Held until the folder is gone.
    _lock: File,
}

impl RunDir {
    /// Makes a folder for this run and takes its lock.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn create(state: &StateDir) -> Result<Self, StateError> {
        let (id, path, lock) = {
            let _runs_stand_still = state.lock_runs()?;
            let (id, path) = fresh_folder(state)?;
            let lock = take_lock(&path).inspect_err(|_| {
                // A folder without a taken lock is a dead run's: the next sweep removes it.
                let _ = remove_folder(&path);
            })?;
            (id, path, lock)
        };
        let inside = path.join("s");
        let socket_dir = if inside.as_os_str().len() + SOCKET_NAME.len() <= SOCKET_PATH_LIMIT {
            inside
        } else {
            PathBuf::from(format!("{OUTSIDE}{id}"))
        };
        let inner = Inner {
            path,
            socket_dir,
            user: state.user().cloned(),
            next_port: AtomicU16::new(FIRST_PORT),
            next_name: AtomicU32::new(1),
            _lock: lock,
        };
        // From here on, dropping it cleans up.
        let run = Self { inner: Arc::new(inner) };
        if !run.socket_dir().starts_with(run.path()) {
            // Written first, so that the folder outside is never without somebody to remove it.
            run.write(SOCKET_FOLDER, run.socket_dir().as_os_str().as_bytes())?;
        }
        make_private(run.socket_dir(), state.user())?;
        Ok(run)
    }

    /// The folder. Everything put here vanishes with the run.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// What tells this run from others: eight hexadecimal digits.
    pub fn id(&self) -> &str {
        self.inner.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Folder of the sockets of all servers of this run.
    pub fn socket_dir(&self) -> &Path {
        &self.inner.socket_dir
    }

    /// The user servers run as, when that is not the caller.
    pub fn user(&self) -> Option<&ServerUser> {
        self.inner.user.as_ref()
    }

    /// A path in the folder that nothing else has: for a data directory or a file.
    pub fn fresh_path(&self, name: &str) -> PathBuf {
        let number = self.inner.next_name.fetch_add(1, Ordering::Relaxed);
        self.inner.path.join(format!("{name}-{number}"))
    }

    /// A number for a socket's name that no other server of this run has.
    pub(crate) fn fresh_port(&self) -> u16 {
        self.inner.next_port.fetch_add(1, Ordering::Relaxed)
    }

    /// Remembers a server for a sweep, in case this process dies without ending it.
    ///
    /// # Errors
    /// It cannot be written down.
    pub(crate) fn remember_server(&self, pid: u32) -> Result<(), StateError> {
        // One that is dead already needs no remembering.
        start_time(pid).map_or(Ok(()), |started| self.write(SERVERS, format!("{pid} {started}\n").as_bytes()))
    }

    fn write(&self, name: &str, text: &[u8]) -> Result<(), StateError> {
        let path = self.inner.path.join(name);
        let mut file =
            OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(io_error("open", &path))?;
        file.write_all(text).map_err(io_error("write", &path))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Those whom a postmaster that was killed leaves behind find it out, but not at once.
        kill_all_in(&self.path);
        // Whatever cannot be removed now is the next sweep's, since the lock is free from here on.
        if !self.socket_dir.starts_with(&self.path) {
            let _ = remove_folder(&self.socket_dir);
        }
        let _ = remove_folder(&self.path);
    }
}

fn fresh_folder(state: &StateDir) -> Result<(String, PathBuf), StateError> {
    loop {
        // Eight hexadecimal digits from the standard library's random hashing keys.
        let id = format!("{:08x}", RandomState::new().build_hasher().finish() >> 32);
        let path = state.runs().join(&id);
        if Path::new(&format!("{OUTSIDE}{id}")).exists() {
            continue;
        }
        match state.make_passage(&path) {
            Err(StateError::Io { error, .. }) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made.map(|()| (id, path)),
        }
    }
}

fn take_lock(folder: &Path) -> Result<File, StateError> {
    let path = folder.join(LOCK);
    let file = open_lock(&path)?;
    file.lock().map_err(io_error("lock", &path))?;
    sign(&file, &path)?;
    Ok(file)
}
