//! What Seatrial keeps on disk: cached bases, cached `initdb` results, and one folder for each run under way.
//!
//! A run's folder holds everything that must vanish with it. Its `lock` is held for the run's whole life, so a free
//! lock means a dead run, however it died.

mod sweep;

pub use sweep::sweep;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// Why the state folder cannot be used.
#[derive(Debug, Error)]
pub enum StateError {
    /// The operating system refused.
    #[error("cannot {action} {path}: {error}", path = path.display())]
    Io {
        /// A verb: `create`, `lock`, `remove`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Its answer.
        error: std::io::Error,
    },
}

/// The state folder: `--cache-dir`, else `/var/cache/seatrial` for root, else `$XDG_CACHE_HOME/seatrial`.
#[derive(Debug, Clone)]
pub struct StateDir {
    root: PathBuf,
}

impl StateDir {
    /// Opens the folder, making what is missing.
    ///
    /// # Errors
    /// It cannot be made, or the user servers run as cannot reach it.
    pub fn open(cache_dir: Option<&Path>) -> Result<Self, StateError> {
        let _ = cache_dir;
        unimplemented!("written next")
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Folder of the cached bases, one subfolder each, named by key.
    pub fn bases(&self) -> PathBuf {
        self.root.join("bases")
    }

    /// The base of this key, or the duty to make it. Blocks while another process makes it.
    ///
    /// # Errors
    /// The folder cannot be locked or made.
    pub fn base(&self, key: &str) -> Result<BaseSlot, StateError> {
        let _ = key;
        unimplemented!("written next")
    }
}

/// A place in the base cache.
#[derive(Debug)]
pub enum BaseSlot {
    /// The base is there: its folder.
    Ready(PathBuf),
    /// It is this process's to make; others who want it wait.
    Missing(PartialBase),
}

/// A base being made. Dropped, it is removed.
#[derive(Debug)]
pub struct PartialBase {
    path: PathBuf,
}

impl PartialBase {
    /// Its folder, empty at first, owned by the caller. Data directories in it are made by `create_cluster`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it the base, and returns its final folder.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn publish(self) -> Result<PathBuf, StateError> {
        unimplemented!("written next")
    }
}

/// The folder of one run, and the claim to be alive. Clones share it; the last one dropped removes it.
#[derive(Debug, Clone)]
pub struct RunDir {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
}

impl RunDir {
    /// Makes a folder for this run and takes its lock.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn create(state: &StateDir) -> Result<Self, StateError> {
        let _ = state;
        unimplemented!("written next")
    }

    /// The folder. Everything put here vanishes with the run.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// A path in it for a data directory or file, not yet taken.
    pub fn fresh_path(&self, name: &str) -> PathBuf {
        self.inner.path.join(name)
    }
}
