//! Where portable servers are kept, and where they are made ready: under a lock, aside, and whole before they get their
//! place.

use super::lock::open_lock;
use super::{StateDir, StateError, io_error, make_folder, remove_folder};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often a lock that another process holds is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A folder for what is being fetched, and the claim to be the only one who fetches. Clones share it; the last one dropped
/// removes it.
#[derive(Debug, Clone)]
pub struct Fetching {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// Held until the folder is gone.
    _lock: File,
}

impl Fetching {
    /// The folder, empty at first.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // What cannot be removed now is removed before the next one begins.
        let _ = remove_folder(&self.path);
    }
}

impl StateDir {
    /// Folder of the fetched servers, one subfolder each, named by major version.
    pub fn postgres(&self) -> PathBuf {
        self.root().join("postgres")
    }

    /// Folder of what is being fetched.
    fn fetching_folder(&self) -> PathBuf {
        self.root().join("fetching")
    }

    /// The right to fetch; waits while another process does, which `waiting` is told once.
    ///
    /// # Errors
    /// A folder cannot be made, removed or locked.
    pub async fn fetching(&self, waiting: impl FnOnce()) -> Result<Fetching, StateError> {
        let lock_path = self.fetching_folder().with_extension("lock");
        let lock = open_lock(&lock_path)?;
        let mut waiting = Some(waiting);
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    if let Some(waiting) = waiting.take() {
                        waiting();
                    }
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Err(TryLockError::Error(error)) => return Err(io_error("lock", &lock_path)(error)),
            }
        }
        let path = self.fetching_folder();
        // Whoever made it is dead.
        remove_folder(&path)?;
        let inner = Inner { path, _lock: lock };
        let mode = if self.user().is_some() { 0o711 } else { 0o700 };
        for folder in [&self.postgres(), &inner.path] {
            make_folder(folder, mode)?;
        }
        Ok(Fetching { inner: Arc::new(inner) })
    }

    /// Removes what a fetch that died left; `None` where there is nothing, or somebody is at it.
    pub(super) fn clear_fetching(&self) -> Result<Option<PathBuf>, StateError> {
        let path = self.fetching_folder();
        if !path.exists() {
            return Ok(None);
        }
        let lock_path = path.with_extension("lock");
        let lock = open_lock(&lock_path)?;
        match lock.try_lock() {
            Ok(()) => remove_folder(&path).map(|()| Some(path)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(io_error("lock", &lock_path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> (tempfile::TempDir, StateDir) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).expect("mine");
        let state = StateDir::open(Some(&folder.path().join("state"))).expect("a state folder");
        (folder, state)
    }

    #[tokio::test]
    async fn what_a_fetch_that_died_left_is_gone_before_the_next_begins() {
        let (_folder, state) = state();
        let half = state.fetching_folder().join("server/bin/postgres");
        std::fs::create_dir_all(&half).expect("left");
        let place = state.fetching(|| ()).await.expect("nobody else is at it");
        assert!(place.path().is_dir() && !half.exists());
        assert_eq!(state.clear_fetching().expect("looked at"), None, "somebody is at it");
        drop(place);
        assert!(!state.fetching_folder().exists());
        std::fs::create_dir_all(&half).expect("left again");
        assert_eq!(state.clear_fetching().expect("looked at"), Some(state.fetching_folder()));
        assert!(!state.fetching_folder().exists() && state.postgres().is_dir());
    }

    #[tokio::test]
    async fn one_fetches_at_a_time() {
        let (_folder, state) = state();
        let first = state.fetching(|| ()).await.expect("nobody else is at it");
        let (told, waits) = tokio::sync::oneshot::channel();
        let other = state.clone();
        let second = tokio::spawn(async move { other.fetching(move || told.send(()).expect("heard")).await });
        waits.await.expect("the second one waits");
        drop(first);
        assert!(second.await.expect("no panic").expect("its turn").path().is_dir());
    }
}
