//! Data directories: made by `initdb` once and copied ever after.

use super::ClusterError;
use crate::copy::state::{RunDir, StateDir};
use crate::engine::postgres::binaries::Binaries;
use std::path::{Path, PathBuf};

/// Who sorts and classifies characters, `pg_database.datlocprovider`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocaleProvider {
    /// The C library.
    Libc,
    /// ICU, with its locale (`und`, `en-US`); servers from 15.
    Icu(String),
    /// PostgreSQL itself, with its locale (`C`, `C.UTF-8`); servers from 17.
    Builtin(String),
}

/// Encoding and locale of a cluster's template databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterLocale {
    /// As PostgreSQL names it: `UTF8`, `LATIN1`.
    pub encoding: String,
    /// Who sorts.
    pub provider: LocaleProvider,
    /// `datcollate`, `en_US.UTF-8`.
    pub collate: String,
    /// `datctype`.
    pub ctype: String,
}

impl Default for ClusterLocale {
    /// UTF8, libc, `C`: what every machine has.
    fn default() -> Self {
        Self { encoding: "UTF8".into(), provider: LocaleProvider::Libc, collate: "C".into(), ctype: "C".into() }
    }
}

/// A fresh data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCluster {
    /// The directory.
    pub data_dir: PathBuf,
    /// What `initdb` said of the locale when it refused it and `C` was taken instead.
    pub locale_fallback: Option<String>,
}

/// Makes a fresh, stopped cluster at `data_dir` (which must not exist) from the cached result of `initdb`.
///
/// # Errors
/// `initdb` fails even with locale `C`, or the copy does.
pub async fn create_cluster(
    binaries: &Binaries,
    state: &StateDir,
    run: &RunDir,
    locale: &ClusterLocale,
    data_dir: &Path,
) -> Result<NewCluster, ClusterError> {
    let _ = (binaries, state, run, locale, data_dir);
    unimplemented!("written next")
}

/// Copies a cleanly stopped cluster's data directory to `to`, which must not exist. Blocks; nothing is synced.
///
/// # Errors
/// The cluster is running or was not stopped cleanly, the disk is full, or a path cannot be read.
pub fn copy_data_dir(from: &Path, to: &Path) -> Result<(), ClusterError> {
    let _ = (from, to);
    unimplemented!("written next")
}
