//! What Seatrial keeps on disk: cached bases, cached `initdb` results, and one folder for each run under way.
//!
//! A run's folder holds everything that must vanish with it. Its `lock` is held for the run's whole life, so a free
//! lock means a dead run, however it died. Folders that lead to data are owned by the caller and closed to everybody
//! else; as root they let the user servers run as pass through, and only the leaves belong to it.

mod base;
mod by_hand;
mod claimed;
mod clear;
mod fetching;
mod lock;
mod run;
mod sweep;
mod trim;

use lock::open_lock;

pub use base::{BaseSlot, PartialBase, ReadyBase};
pub use by_hand::{CopyRecord, LivingCopy, bytes_in};
pub use claimed::ClaimedFile;
pub use fetching::Fetching;
pub use run::RunDir;
pub(super) use sweep::children;
pub use sweep::sweep;

use crate::engine::postgres::launch::{LaunchError, ServerUser, server_user};
use std::fs::{File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why the state folder cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// The operating system refused.
    #[error("cannot {action} {path}: {error}{advice}", path = path.display(), advice = advice(error))]
    Io {
        /// A verb: `create`, `lock`, `remove`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Its answer.
        error: io::Error,
    },
    /// This process is root, and the user servers run as cannot pass.
    #[error(
        "the user `{user}`, whom servers run as when seatrial is root, cannot enter {blocked}; \
         open it (chmod o+x) or keep seatrial's state elsewhere with --cache-dir DIR",
        blocked = blocked.display()
    )]
    Blocked {
        /// Who cannot.
        user: String,
        /// The folder that keeps it out.
        blocked: PathBuf,
    },
    /// No folder was given and none follows from the environment.
    #[error("neither XDG_CACHE_HOME nor HOME is set; say where to keep copies with --cache-dir DIR")]
    NoHome,
    /// Another living copy by hand has this name.
    #[error(
        "a copy called {name} lives already: choose another name, or end that one with `seatrial copy destroy {name}`"
    )]
    NameTaken {
        /// The name.
        name: String,
    },
    /// A copy by hand does not end.
    #[error(
        "copy {name} was told to end and has not: end the process that keeps it (the first pid in {lock}) with kill -9; \
         the next start of seatrial removes the rest",
        lock = folder.join(run::LOCK).display()
    )]
    Kept {
        /// Its name.
        name: String,
        /// Its run's folder.
        folder: PathBuf,
    },
    /// No user to run servers as.
    #[error(transparent)]
    User(#[from] LaunchError),
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; free some space (seatrial clean) or use --cache-dir DIR"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "; name another folder with --cache-dir DIR",
        _ => "",
    }
}

/// Turns an I/O error into one that names the path and what was tried.
pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |error| StateError::Io { action, path, error }
}

/// The state folder: `--cache-dir`, else `/var/cache/seatrial` for root, else `$XDG_CACHE_HOME/seatrial`, else
/// `~/.cache/seatrial`.
#[derive(Debug, Clone)]
pub struct StateDir {
    root: PathBuf,
    user: Option<ServerUser>,
}

impl StateDir {
    /// Opens the folder, making what is missing.
    ///
    /// # Errors
    /// It cannot be made, or the user servers run as cannot reach it.
    pub fn open(cache_dir: Option<&Path>) -> Result<Self, StateError> {
        let user = server_user()?;
        let root = match cache_dir {
            Some(dir) => dir.to_owned(),
            None if user.is_some() => PathBuf::from("/var/cache/seatrial"),
            None => home_cache()?.join("seatrial"),
        };
        let mode = if user.is_some() { 0o711 } else { 0o700 };
        let root = std::path::absolute(&root).map_err(io_error("resolve", &root))?;
        let mut missing: Vec<&Path> = root.ancestors().take_while(|folder| !folder.exists()).collect();
        while let Some(folder) = missing.pop() {
            // The ones above get the same mode, so that the way down stays open.
            make_folder(folder, mode)?;
        }
        let root = root.canonicalize().map_err(io_error("resolve", &root))?;
        let state = Self { root, user };
        for folder in [state.bases(), state.initdb(), state.runs()] {
            make_folder(&folder, mode)?;
        }
        let blocked = state.user.as_ref().and_then(|user| Some((user, user.blocked_at(&state.runs())?)));
        match blocked {
            Some((user, blocked)) => Err(StateError::Blocked { user: user.name.clone(), blocked }),
            None => Ok(state),
        }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Folder of the cached bases, one subfolder each, named by key.
    pub fn bases(&self) -> PathBuf {
        self.root.join("bases")
    }

    /// Folder of the cached results of `initdb`.
    pub fn initdb(&self) -> PathBuf {
        self.root.join("initdb")
    }

    /// Folder of the runs.
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// The user servers run as, when that is not the caller.
    pub fn user(&self) -> Option<&ServerUser> {
        self.user.as_ref()
    }

    /// Makes a folder that only the user servers run as may enter (and root, if that is the caller).
    ///
    /// # Errors
    /// It exists, or cannot be made.
    pub fn make_private(&self, path: &Path) -> Result<(), StateError> {
        make_private(path, self.user.as_ref())
    }

    /// Makes a folder of the caller's own that the user servers run as can pass through.
    ///
    /// # Errors
    /// It exists, or cannot be made.
    pub fn make_passage(&self, path: &Path) -> Result<(), StateError> {
        std::fs::DirBuilder::new().mode(0o700).create(path).map_err(io_error("create", path))?;
        if self.user.is_some() { set_mode(path, 0o711) } else { Ok(()) }
    }

    /// Held while the list of runs changes, so that no sweep sees a run's folder without its lock.
    fn lock_runs(&self) -> Result<File, StateError> {
        let path = self.root.join("lock");
        let file = open_lock(&path)?;
        file.lock().map_err(io_error("lock", &path))?;
        Ok(file)
    }
}

fn home_cache() -> Result<PathBuf, StateError> {
    let variable = |name| std::env::var_os(name).filter(|text| !text.is_empty()).map(PathBuf::from);
    // The XDG rules: a relative path there is to be ignored.
    let xdg = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    xdg.or_else(|| variable("HOME").map(|home| home.join(".cache"))).ok_or(StateError::NoHome)
}

fn make_folder(path: &Path, mode: u32) -> Result<(), StateError> {
    match std::fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => set_mode(path, mode),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(io_error("create", path)(error)),
    }
}

fn make_private(path: &Path, user: Option<&ServerUser>) -> Result<(), StateError> {
    std::fs::DirBuilder::new().mode(0o700).create(path).map_err(io_error("create", path))?;
    let Some(user) = user else { return Ok(()) };
    std::os::unix::fs::lchown(path, Some(user.uid), Some(user.gid)).map_err(io_error("change the owner of", path))
}

/// Whatever the umask took away.
fn set_mode(path: &Path, mode: u32) -> Result<(), StateError> {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(io_error("set the mode of", path))
}

/// Removes a folder and all in it; one that is gone already is no error.
pub(super) fn remove_folder(path: &Path) -> Result<(), StateError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
