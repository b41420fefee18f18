//! `clean`: the caches, where nobody is using them.

use super::lock::open_lock;
use super::{StateDir, StateError, io_error, remove_folder};
use std::fs;

impl StateDir {
    /// Removes every cached base that no run is making, the cached results of `initdb`, and dumps taken from URLs. Runs under way have copied
    /// their base already, or hold its lock. Returns a line for each thing removed.
    ///
    /// # Errors
    /// A folder that cannot be read or removed.
    pub fn clear_caches(&self) -> Result<Vec<String>, StateError> {
        let mut removed = Vec::new();
        for parent in [self.bases(), self.initdb()] {
            for entry in fs::read_dir(&parent).map_err(io_error("read", &parent))? {
                let path = entry.map_err(io_error("read", &parent))?.path();
                if !path.is_dir() {
                    continue;
                }
                let lock = open_lock(&path.with_extension("lock"))?;
                if lock.try_lock().is_err() {
                    continue;
                }
                remove_folder(&path)?;
                removed.push(format!("removed {}", path.display()));
            }
        }
        let dumps = self.root().join("dumps");
        if dumps.is_dir() {
            remove_folder(&dumps)?;
            removed.push(format!("removed {}", dumps.display()));
        }
        Ok(removed)
    }
}
