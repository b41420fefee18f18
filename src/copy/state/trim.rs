//! The limit of the cache: what was not used for longest goes first, and nothing that is in use.

use super::base::lock_of_users;
use super::clear::{children, if_free};
use super::{StateDir, StateError, io_error, remove_folder};
use crate::report::human;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A base, or a dump taken from a URL.
struct Kept {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl StateDir {
    /// Removes bases and dumps taken from URLs, longest unused first, until those that are left take no more than `limit`
    /// bytes on disk or are in use, and the locks of bases that are gone. Returns a line for each thing removed.
    ///
    /// # Errors
    /// A folder that cannot be read, locked or removed.
    pub fn trim_caches(&self, limit: u64) -> Result<Vec<String>, StateError> {
        let mut kept = Vec::new();
        for base in children(&self.bases())?.into_iter().filter(|path| path.is_dir() && path.extension().is_none()) {
            let used = last_used(&lock_of_users(&base));
            kept.push(Kept { bytes: size(&base)?, used, path: base });
        }
        let dumps = children(&self.root().join("dumps"))?;
        for dump in dumps.into_iter().filter(|path| path.extension() == Some(OsStr::new("dump"))) {
            let used = last_used(&dump.with_extension("lock"));
            kept.push(Kept { bytes: size(&dump)?, used, path: dump });
        }
        kept.sort_by_key(|each| each.used);
        let mut total: u64 = kept.iter().map(|each| each.bytes).sum();
        let mut removed = Vec::new();
        for each in kept {
            if total <= limit {
                break;
            }
            if remove_unused(&each.path)? {
                total -= each.bytes;
                removed.push(format!(
                    "removed {}, {}, unused for longest: more than {} is in the cache (--max-cache)",
                    each.path.display(),
                    human::bytes(each.bytes),
                    human::bytes(limit)
                ));
            }
        }
        self.forget_locks()?;
        Ok(removed)
    }
}

/// False where somebody makes or uses it.
fn remove_unused(path: &Path) -> Result<bool, StateError> {
    let Some(_no_maker) = if_free(&path.with_extension("lock"))? else { return Ok(false) };
    if path.extension().is_some() {
        // With the settings of its server beside it.
        for file in [path.to_owned(), path.with_extension("settings")] {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(io_error("remove", &file)(error));
                }
                _ => {}
            }
        }
        return Ok(true);
    }
    let Some(_no_users) = if_free(&lock_of_users(path))? else { return Ok(false) };
    remove_folder(path)?;
    Ok(true)
}

/// What nobody remembers using goes first.
fn last_used(lock: &Path) -> SystemTime {
    fs::metadata(lock).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Bytes on disk; what vanishes meanwhile has none.
fn size(path: &Path) -> Result<u64, StateError> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        metadata => metadata.map_err(io_error("read", path))?,
    };
    if !metadata.is_dir() {
        return Ok(metadata.blocks() * 512);
    }
    let gone = |error: &StateError| matches!(error, StateError::Io { error, .. } if error.kind() == std::io::ErrorKind::NotFound);
    match children(path) {
        Err(error) if gone(&error) => Ok(0),
        entries => entries?.iter().map(|entry| size(entry)).sum(),
    }
}
