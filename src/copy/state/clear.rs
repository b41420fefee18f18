//! `clean`: the caches, where nobody is using them.

use super::base::lock_of_users;
use super::lock::{is_current, open_lock};
use super::{StateDir, StateError, io_error, remove_folder};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

impl StateDir {
    /// Removes every cached base that no run makes or uses, the cached results of `initdb`, dumps taken from URLs that
    /// nobody takes or reads, and what a fetch that died left. Fetched servers stay: they hold no data. Returns a line for each thing removed. Locks of dumps stay: who waits for one has its file open.
    ///
    /// # Errors
    /// A folder that cannot be read, locked or removed.
    pub fn clear_caches(&self) -> Result<Vec<String>, StateError> {
        let mut removed = Vec::new();
        for base in children(&self.bases())?.into_iter().filter(|path| path.is_dir()) {
            let Some(_no_maker) = if_free(&base.with_extension("lock"))? else { continue };
            let Some(_no_users) = if_free(&lock_of_users(&base))? else { continue };
            remove_folder(&base)?;
            removed.push(line(&base));
        }
        self.forget_locks()?;
        for cluster in children(&self.initdb())?.into_iter().filter(|path| path.is_dir()) {
            remove_folder(&cluster)?;
            removed.push(line(&cluster));
        }
        removed.extend(self.clear_fetching()?.as_deref().map(line));
        for dump in children(&self.root().join("dumps"))? {
            if dump.extension() == Some(OsStr::new("lock")) {
                continue;
            }
            let Some(_lock) = if_free(&dump.with_extension("lock"))? else { continue };
            match fs::remove_file(&dump) {
                // Renamed or removed since the folder was read.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                done => {
                    done.map_err(io_error("remove", &dump))?;
                    removed.push(line(&dump));
                }
            }
        }
        Ok(removed)
    }

    /// Removes the locks of bases that are gone, or were never made: each new content of a source has its own, and they
    /// would pile up for good.
    pub(super) fn forget_locks(&self) -> Result<(), StateError> {
        for file in children(&self.bases())? {
            if !["lock", "users"].map(OsStr::new).iter().any(|kind| file.extension() == Some(kind)) {
                continue;
            }
            let (base, lock) = (file.with_extension(""), file.with_extension("lock"));
            let is_there = || base.exists() || base.with_extension("partial").exists();
            if is_there() {
                continue;
            }
            // Whoever makes it holds the lock; of its users there are none, since they keep its folder.
            let Some(_no_maker) = if_free(&lock)? else { continue };
            if is_there() {
                continue;
            }
            // The lock itself last: with it goes the right to remove the other.
            for file in [lock_of_users(&base), lock] {
                match fs::remove_file(&file) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(io_error("remove", &file)(error)),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn line(path: &Path) -> String {
    format!("removed {}", path.display())
}

/// What is in a folder; nothing where there is none.
pub(super) fn children(folder: &Path) -> Result<Vec<PathBuf>, StateError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(io_error("read", folder))?,
    };
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(io_error("read", folder))).collect()
}

/// The lock, taken; `None` where somebody holds it, or removes it just now.
pub(super) fn if_free(path: &Path) -> Result<Option<File>, StateError> {
    let lock = open_lock(path)?;
    match lock.try_lock() {
        Ok(()) => Ok(is_current(&lock, path)?.then_some(lock)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(io_error("lock", path)(error)),
    }
}
