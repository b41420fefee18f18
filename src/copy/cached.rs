//! What lies in the cache, for a list.

use super::base::{BaseRecord, read_record};
use super::state::{StateDir, StateError, bytes_in, children};
use std::path::PathBuf;
use std::time::SystemTime;

/// A base in the cache.
#[derive(Debug)]
pub struct CachedBase {
    /// Its folder.
    pub folder: PathBuf,
    /// What is known of it.
    pub record: BaseRecord,
    /// Bytes it takes on disk.
    pub bytes: u64,
    /// When it was made or used last.
    pub last_use: Option<SystemTime>,
}

/// The bases that are whole, used last first.
///
/// # Errors
/// The folder cannot be read.
pub fn bases(state: &StateDir) -> Result<Vec<CachedBase>, StateError> {
    let folders = children(&state.bases())?.into_iter().filter(|path| path.is_dir() && path.extension().is_none());
    let mut bases: Vec<CachedBase> = folders
        .filter_map(|folder| {
            let record = read_record(&folder)?;
            let bytes = bytes_in(&folder);
            let times = [folder.with_extension("users"), folder.clone()].map(|path| path.metadata()?.modified());
            let last_use = times.into_iter().flatten().max();
            Some(CachedBase { folder, record, bytes, last_use })
        })
        .collect();
    bases.sort_by_key(|base| std::cmp::Reverse(base.last_use));
    Ok(bases)
}
