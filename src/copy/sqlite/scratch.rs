//! Disposable copies.

use super::base::{Base, SqliteBaseError};
use super::file;
use crate::copy::state::RunDir;
use crate::progress::Activity;
use std::path::{Path, PathBuf};

/// One disposable copy of a base: the only thing migrations run on. Dropped, it is removed.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    path: PathBuf,
}

impl Scratch {
    /// Copies a base.
    ///
    /// # Errors
    /// It cannot be copied.
    pub fn create(base: &Base, run: &RunDir, activity: &Activity) -> Result<Self, SqliteBaseError> {
        let folder = run.fresh_path("sqlite");
        super::base::make_folder(&folder)?;
        let scratch = Self { path: folder.join(super::base::DATABASE), folder };
        file::copy(&base.path(), &scratch.path, activity)?;
        Ok(scratch)
    }

    /// The database.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays goes with the run's folder.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
