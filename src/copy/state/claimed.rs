//! Files that say what has to be removed elsewhere, each claimed by the run that lives.

use super::lock::{open_lock, sign, take_from_the_dead};
use super::{StateError, io_error};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Held while claims are made and looked for.
const GUARD: &str = "guard";

/// A file that belongs to this run as long as it lives. Dropped, it stays, for whoever looks for those of the dead.
#[derive(Debug)]
pub struct ClaimedFile {
    path: PathBuf,
    _lock: File,
}

impl ClaimedFile {
    /// Makes the folder for such files, closed to others.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn folder(path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    /// Claims a file that is not there yet.
    ///
    /// # Errors
    /// It cannot be made or claimed.
    pub fn create(path: &Path) -> Result<Self, StateError> {
        let _guard = guard(path.parent().unwrap_or(path))?;
        let lock_path = path.with_extension("lock");
        let lock = open_lock(&lock_path)?;
        lock.lock().map_err(io_error("lock", &lock_path))?;
        sign(&lock, &lock_path)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Replaces what is in it, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, text: &[u8]) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(text)?;
        file.sync_all()?;
        std::fs::rename(&fresh, &self.path)
    }

    /// What is in it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        std::fs::read(&self.path)
    }

    /// Removes it, as what it speaks of is gone.
    pub fn remove(self) {
        // What stays is found by the next run, which finds nothing to remove elsewhere.
        for extension in ["new", "json", "lock"] {
            let _ = std::fs::remove_file(self.path.with_extension(extension));
        }
    }

    /// The files of runs that are dead, claimed now.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn of_the_dead(folder: &Path) -> Result<Vec<Self>, StateError> {
        let _guard = guard(folder)?;
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(io_error("read", folder))? {
            let lock_path = entry.map_err(io_error("read", folder))?.path();
            if lock_path.extension().is_none_or(|extension| extension != "lock") {
                continue;
            }
            let lock = match OpenOptions::new().read(true).write(true).open(&lock_path) {
                Ok(lock) => lock,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(io_error("open", &lock_path)(error)),
            };
            if let Some(lock) = take_from_the_dead(lock, &lock_path)? {
                found.push(Self { path: lock_path.with_extension("json"), _lock: lock });
            }
        }
        Ok(found)
    }
}

fn guard(folder: &Path) -> Result<File, StateError> {
    let path = folder.join(GUARD);
    let file = open_lock(&path)?;
    file.lock().map_err(io_error("lock", &path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_run_s_file_is_nobody_else_s_and_a_dead_one_s_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("clones");
        ClaimedFile::folder(&folder).expect("made");
        let claimed = ClaimedFile::create(&folder.join("a.json")).expect("claimed");
        claimed.write(b"one").expect("written");
        claimed.write(b"two").expect("written");
        assert!(ClaimedFile::of_the_dead(&folder).expect("read").is_empty());
        drop(claimed);
        let dead = ClaimedFile::of_the_dead(&folder).expect("read");
        assert_eq!(dead.iter().map(|each| each.read().expect("read")).collect::<Vec<_>>(), [b"two"]);
        assert!(ClaimedFile::of_the_dead(&folder).expect("read").is_empty(), "claimed by the first who looked");
        dead.into_iter().for_each(ClaimedFile::remove);
        assert!(ClaimedFile::of_the_dead(&folder).expect("read").is_empty());
        assert_eq!(std::fs::read_dir(&folder).expect("read").count(), 1, "the guard stays");
    }
}
