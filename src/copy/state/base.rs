//! Places in the base cache: one process makes a base, the others wait for it.

use super::lock::{is_current, open_lock, sign};
use super::sweep::kill_all_in;
use super::{StateDir, StateError, io_error, remove_folder};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How often a base that another process makes is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A place in the base cache.
#[derive(Debug)]
pub enum BaseSlot<R> {
    /// The base is there, and what is known of it.
    Ready(ReadyBase, R),
    /// It is this process's to make; others who want it wait.
    Missing(PartialBase),
}

/// A base that is used: as long as this lives, nobody clears it away.
#[derive(Debug)]
pub struct ReadyBase {
    folder: PathBuf,
    _in_use: File,
}

impl ReadyBase {
    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// A base being made. Clones share it, so that whoever still writes there keeps it; the last one dropped removes it.
#[derive(Debug, Clone)]
pub struct PartialBase {
    inner: Arc<Inner>,
    /// A damaged one was there, and is gone.
    pub replaces_a_damaged_one: bool,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    finished: PathBuf,
    /// Held while the base is made; free, with the folder still there, it means that its maker is dead.
    _lock: File,
}

impl StateDir {
    /// The base of this key, or the duty to make it: also where it is there and `read` finds it damaged, so that nothing is
    /// known of it. Waits while another process makes it.
    ///
    /// # Errors
    /// The folder cannot be locked or made, or a damaged one not removed.
    pub async fn base<R>(&self, key: &str, read: impl Fn(&Path) -> Option<R>) -> Result<BaseSlot<R>, StateError> {
        let lock_path = self.bases().join(format!("{key}.lock"));
        let lock = loop {
            let lock = open_lock(&lock_path)?;
            match lock.try_lock() {
                Ok(()) if is_current(&lock, &lock_path)? => break lock,
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOOK_AGAIN).await,
                Err(TryLockError::Error(error)) => return Err(io_error("lock", &lock_path)(error)),
            }
        };
        let finished = self.bases().join(key);
        let there = finished.is_dir();
        if there && let Some(known) = read(&finished) {
            return Ok(BaseSlot::Ready(use_base(finished)?, known));
        }
        sign(&lock, &lock_path)?;
        let path = self.bases().join(format!("{key}.partial"));
        if path.exists() {
            kill_all_in(&path);
            remove_folder(&path)?;
        }
        if there {
            // Under the lock, or it might be one that was just made anew.
            remove_folder(&finished)?;
        }
        self.make_passage(&path)?;
        let inner = Arc::new(Inner { path, finished, _lock: lock });
        Ok(BaseSlot::Missing(PartialBase { inner, replaces_a_damaged_one: there }))
    }
}

/// The lock of those who use a base. It is taken under the base's own lock alone, and in no time: those who clear it hold
/// the base's own as well.
pub(super) fn lock_of_users(base: &Path) -> PathBuf {
    base.with_extension("users")
}

/// Marks a base as used. The caller holds the base's own lock.
fn use_base(folder: PathBuf) -> Result<ReadyBase, StateError> {
    let path = lock_of_users(&folder);
    let in_use = open_lock(&path)?;
    in_use.lock_shared().map_err(io_error("lock", &path))?;
    touch(&in_use, &path)?;
    Ok(ReadyBase { folder, _in_use: in_use })
}

/// Remembers that what a lock is for was used now.
pub(in crate::copy) fn touch(lock: &File, path: &Path) -> Result<(), StateError> {
    lock.set_modified(SystemTime::now()).map_err(io_error("set the time of", path))
}

impl PartialBase {
    /// Its folder, empty at first, owned by the caller. Data directories in it are made by `create_cluster`.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Makes it the base.
    ///
    /// # Errors
    /// It cannot be renamed or locked.
    pub fn publish(self) -> Result<ReadyBase, StateError> {
        let (path, finished) = (&self.inner.path, &self.inner.finished);
        std::fs::rename(path, finished).map_err(io_error("rename", path))?;
        use_base(finished.clone())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // After publishing there is nothing under this name; what cannot be removed now is the next sweep's.
        let _ = remove_folder(&self.path);
    }
}
