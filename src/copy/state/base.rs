//! Places in the base cache: one process makes a base, the others wait for it.

use super::lock::{open_lock, sign};
use super::sweep::kill_all_in;
use super::{StateDir, StateError, io_error, remove_folder};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a base that another process makes is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

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
    finished: PathBuf,
    /// Held while the base is made; free, with the folder still there, it means that its maker is dead.
    _lock: File,
}

impl StateDir {
    /// The base of this key, or the duty to make it. Waits while another process makes it.
    ///
    /// # Errors
    /// The folder cannot be locked or made.
    pub async fn base(&self, key: &str) -> Result<BaseSlot, StateError> {
        let lock_path = self.bases().join(format!("{key}.lock"));
        let lock = open_lock(&lock_path)?;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOOK_AGAIN).await,
                Err(TryLockError::Error(error)) => return Err(io_error("lock", &lock_path)(error)),
            }
        }
        let finished = self.bases().join(key);
        if finished.is_dir() {
            return Ok(BaseSlot::Ready(finished));
        }
        sign(&lock, &lock_path)?;
        let path = self.bases().join(format!("{key}.partial"));
        if path.exists() {
            kill_all_in(&path);
            remove_folder(&path)?;
        }
        self.make_passage(&path)?;
        Ok(BaseSlot::Missing(PartialBase { path, finished, _lock: lock }))
    }
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
        std::fs::rename(&self.path, &self.finished).map_err(io_error("rename", &self.path))?;
        Ok(self.finished.clone())
    }
}

impl Drop for PartialBase {
    fn drop(&mut self) {
        // After publishing there is nothing under this name; what cannot be removed now is the next sweep's.
        let _ = remove_folder(&self.path);
    }
}
