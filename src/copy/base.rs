//! Bases: a source restored once into a cluster of its own, kept stopped in the cache, and copied for every pass. No
//! untrusted SQL ever runs in a base after it is made.

use crate::copy::dump::DumpReader;
use crate::copy::facts::{DumpFacts, InspectError};
use crate::copy::fingerprint::{FingerprintMemory, hexadecimal, write_private};
use crate::copy::kept::Kept;
use crate::copy::live::{self, LiveError};
use crate::copy::restore::{self, RestoreError, RestoreOutcome};
use crate::copy::scratch::Roles;
use crate::copy::source::{ArchiveFormat, Source, SourceError};
use crate::copy::state::{BaseSlot, PartialBase, ReadyBase, RunDir, StateDir, StateError};
use crate::copy::text::{Extent, TextStream};
use crate::engine::ServerError;
use crate::engine::postgres::binaries::{Binaries, BinariesError, BinaryRequest, ToolBinary, find_tool};
use crate::engine::postgres::catalog::net::NEXT_TRANSACTION;
use crate::engine::postgres::server::cluster::{CopyError, copied_bytes, copy_data_dir_unless, create_cluster};
use crate::engine::postgres::server::{ClusterError, Server, ServerMode, ServerOptions};
use crate::engine::postgres::session::{Session, quote_identifier};
use crate::progress::{Activity, Unit};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use thiserror::Error;

/// Raised whenever a base made by an older Seatrial must not be used any more.
const FORMAT: u32 = 2;
const RECORD: &str = "base.json";
const DATA: &str = "data";
/// Below this much free space a failure is put down to the disk, in bytes.
const NO_SPACE: u64 = 64 << 20;

/// How a base is obtained.
#[derive(Debug, Clone)]
pub struct BaseOptions {
    /// `--database`: which of a dump's databases.
    pub database: Option<String>,
    /// `--max-age`: how old a dump of a running server may be.
    pub max_age: Duration,
    /// `--refresh`: dump a running server anew.
    pub refresh: bool,
}

impl Default for BaseOptions {
    fn default() -> Self {
        Self { database: None, max_age: Duration::from_secs(24 * 60 * 60), refresh: false }
    }
}

/// What is known of a base, kept beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseRecord {
    format: u32,
    /// The one database in it.
    pub database: String,
    /// What differs from the source.
    pub warnings: Vec<String>,
    /// What the source does not say and was assumed.
    pub notes: Vec<String>,
    /// Rows loaded.
    pub rows: u64,
    /// Size of the database.
    pub bytes: u64,
    /// Roles made because the source names them.
    pub created_roles: Vec<String>,
    /// The server the source was dumped from, as the dump says it.
    pub source_version: Option<String>,
    /// The first transaction of every copy, as `xmin` has it; not in bases of before.
    #[serde(default)]
    pub first_transaction: Option<String>,
    /// What it was first made from, for people; not in bases of before.
    #[serde(default)]
    pub source: Option<String>,
}

/// A restored source, stopped, in the cache.
#[derive(Debug, Clone)]
pub struct Base {
    /// Where it is; kept, so that nobody clears it away between two copies.
    place: Arc<ReadyBase>,
    /// The server that made it, and that its copies run on.
    pub binaries: Binaries,
    /// What is known of it.
    pub record: BaseRecord,
    /// It was in the cache already.
    pub reused: bool,
    /// When the data was taken from a running server; `None` for other sources.
    pub taken_at: Option<SystemTime>,
    /// Where it is told how far a copy of it is.
    activity: Activity,
}

/// Why there is no base.
#[derive(Debug, Error)]
pub enum BaseError {
    /// The source cannot be used.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A running server could not be dumped.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// The dump cannot be read.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// No server, or none that is new enough.
    #[error(transparent)]
    Binaries(#[from] BinariesError),
    /// The dump was made from a newer server than any found.
    #[error("{name} was made from PostgreSQL {version}: {error}")]
    NewerSource {
        /// The dump.
        name: String,
        /// The version it names.
        version: String,
        /// What was found.
        error: BinariesError,
    },
    /// The dump was replaced meanwhile.
    #[error("{name} changed while it was being restored: run again")]
    Changed {
        /// The dump.
        name: String,
    },
    /// It cannot be restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// A server or its data directory is at fault.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The state folder is at fault.
    #[error(transparent)]
    State(#[from] StateError),
    /// The server the base is made on refuses what the tool itself asks.
    #[error("the server refused while the base was made: {0}")]
    Server(Box<ServerError>),
    /// No room.
    #[error(
        "the disk of {path} is full ({free} MB free): {name} needs about {needed} MB restored, and as much again for \
         the copy; free some space, or give --cache-dir on a bigger disk ({error})",
        path = path.display(), free = free >> 20, needed = needed >> 20
    )]
    DiskFull {
        /// The cache.
        path: PathBuf,
        /// Bytes free.
        free: u64,
        /// The source.
        name: String,
        /// Bytes it will need, by a rule of thumb.
        needed: u64,
        /// What failed.
        error: Box<BaseError>,
    },
    /// What is known of the base cannot be written.
    #[error("cannot write {path}: {error}", path = path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        error: std::io::Error,
    },
}

impl Base {
    /// The base of a source: from the cache, or made now. `progress` is told what takes time, `activity` how far it and the
    /// copies made of it are.
    ///
    /// # Errors
    /// A source that cannot be read or restored, no server for it, or no room.
    pub async fn obtain(
        state: &StateDir,
        run: &RunDir,
        request: &BinaryRequest,
        source: &Source,
        options: &BaseOptions,
        activity: &Activity,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Self, BaseError> {
        let mut taken_at = None;
        let mut database = options.database.as_deref();
        let (live, fetched);
        let dump = match source {
            Source::Url(url) => {
                let max_age = if options.refresh { Duration::ZERO } else { options.max_age };
                // Kept to the end: it is read until the base is made.
                live = live::fetch(state, request, url, max_age, progress).await?;
                taken_at = Some(live.taken_at);
                // The URL says which database; --database chooses among those of a cluster dump.
                database = None;
                fetched = Source::Archive { path: live.path.clone(), format: ArchiveFormat::Custom };
                &fetched
            }
            other => other,
        };
        let pg_restore = pg_restore_for(dump, request)?;
        let facts = DumpFacts::inspect(dump, pg_restore.as_ref(), database).await?;
        let binaries = server_for(&facts, request, source)?;
        let content = fingerprint(state, dump).await?;
        let key = key(&content, &binaries, database);
        let partial = match state.base(&key, |folder| read_record(folder).is_some()).await? {
            BaseSlot::Ready(ready) => {
                let record = read_record(ready.folder()).ok_or_else(|| BaseError::Record {
                    path: ready.folder().join(RECORD),
                    error: std::io::Error::other("it is damaged"),
                })?;
                let place = Arc::new(ready);
                return Ok(Self { place, binaries, record, reused: true, taken_at, activity: activity.clone() });
            }
            BaseSlot::Missing(partial) => partial,
        };
        if partial.replaces_a_damaged_one {
            progress("the cached copy of the source is damaged: making it anew");
        }
        progress(&format!("restoring {} with PostgreSQL {}", source.name(), binaries.version));
        let pg_restore = pg_restore.as_ref();
        let making = Making { state, run, binaries: &binaries, source, dump, pg_restore, facts: &facts, activity };
        let made = making.make(&partial, database).await;
        let record = made.map_err(|error| blame_the_disk(error, partial.path(), source, dump))?;
        // It is read twice, and kept under the name of what was read first.
        if fingerprint(state, dump).await? != content {
            return Err(BaseError::Changed { name: source.name() });
        }
        let place = Arc::new(partial.publish()?);
        Ok(Self { place, binaries, record, reused: false, taken_at, activity: activity.clone() })
    }

    /// Its name in the cache.
    pub fn key(&self) -> String {
        self.place.folder().file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// A base that is in the cache, for another process than the one that obtained it.
    ///
    /// # Errors
    /// It is not there any more.
    pub async fn again(
        state: &StateDir,
        key: &str,
        binaries: Binaries,
        activity: &Activity,
    ) -> Result<Self, BaseError> {
        let gone = || BaseError::Record {
            path: state.bases().join(key),
            error: std::io::Error::other("the base is not there any more: run again"),
        };
        let BaseSlot::Ready(ready) = state.base(key, |folder| read_record(folder).is_some()).await? else {
            return Err(gone());
        };
        let record = read_record(ready.folder()).ok_or_else(gone)?;
        let (place, activity) = (Arc::new(ready), activity.clone());
        Ok(Self { place, binaries, record, reused: true, taken_at: None, activity })
    }

    /// The stopped data directory. Never start a server on it: copy it.
    pub fn data_dir(&self) -> PathBuf {
        self.place.folder().join(DATA)
    }

    /// Bytes each copy takes where no blocks are shared: the database and what else belongs to a cluster.
    ///
    /// # Errors
    /// The base cannot be read.
    pub fn copied_bytes(&self) -> Result<u64, ClusterError> {
        Ok(copied_bytes(&self.data_dir())?)
    }

    /// What copies made ready for these roles answered while nothing else was done to them.
    pub fn kept(&self, roles: &Roles) -> Kept {
        Kept::of(&self.place, &self.binaries, self.record.first_transaction.as_deref(), roles)
    }

    /// A copy for one pass, with a server of its own, measuring.
    ///
    /// # Errors
    /// No room, or the server does not start.
    pub async fn copy(&self, run: &RunDir, settings: Vec<(String, String)>) -> Result<Server, ClusterError> {
        let to = run.fresh_path("copy");
        let (from, into) = (self.data_dir(), to.clone());
        // Who no longer waits for the copy does not want it: the run's folder goes once it has stopped.
        let wanted = Wanted::default();
        let (given_up, run_goes_last) = (Arc::clone(&wanted.given_up), run.clone());
        let counter = self.activity.count("copied", Unit::Bytes, Some(self.copied_bytes()?));
        let copied = tokio::task::spawn_blocking(move || {
            let copied = copy_data_dir_unless(&given_up, &|bytes| counter.add(bytes), &from, &into);
            drop(run_goes_last);
            copied
        })
        .await;
        copied.unwrap_or_else(|stopped| {
            let error = std::io::Error::other(stopped);
            Err(CopyError::Io { from: self.data_dir(), to: to.clone(), error })
        })?;
        let options = ServerOptions { mode: ServerMode::Measuring, settings };
        Server::start(&self.binaries, &to, run, &options).await
    }
}

/// Dropped, it tells a copy under way that nobody waits for it.
#[derive(Default)]
struct Wanted {
    given_up: Arc<AtomicBool>,
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}

/// Leaves only the restored database: each of the others is three hundred files to copy for every pass. Says which
/// transaction comes next.
async fn drop_other_databases(server: &Server, database: &str) -> Result<Option<String>, BaseError> {
    let refused = |error: ServerError| BaseError::Server(Box::new(error));
    let mut session = Session::observer(server.endpoint(), database, "base").await.map_err(refused)?;
    session.execute("UPDATE pg_database SET datistemplate = false WHERE datistemplate").await.map_err(refused)?;
    let others = "SELECT datname FROM pg_database WHERE datname <> current_database() ORDER BY 1";
    for name in session.query(others).await.map_err(refused)?.rows.into_iter().flatten().flatten() {
        session.execute(&format!("DROP DATABASE {}", quote_identifier(&name))).await.map_err(refused)?;
    }
    let next = session.query(NEXT_TRANSACTION).await.map_err(refused)?.scalar().map(str::to_owned);
    session.close().await;
    Ok(next)
}

struct Making<'a> {
    state: &'a StateDir,
    run: &'a RunDir,
    binaries: &'a Binaries,
    source: &'a Source,
    dump: &'a Source,
    pg_restore: Option<&'a ToolBinary>,
    facts: &'a DumpFacts,
    activity: &'a Activity,
}

impl Making<'_> {
    async fn make(&self, partial: &PartialBase, database: Option<&str>) -> Result<BaseRecord, BaseError> {
        let data_dir = partial.path().join(DATA);
        create_cluster(self.binaries, self.state, self.run, &data_dir).await?;
        let server = Server::start(self.binaries, &data_dir, self.run, &ServerMode::Loading.into()).await?;
        let outcome = self.restore(&server, database).await?;
        let first_transaction = drop_other_databases(&server, &outcome.database).await?;
        server.stop().await?;
        let record = BaseRecord {
            format: FORMAT,
            database: outcome.database,
            warnings: outcome.warnings,
            notes: outcome.notes,
            rows: outcome.rows,
            bytes: outcome.bytes,
            created_roles: outcome.created_roles,
            source_version: self.facts.server_version.clone(),
            first_transaction,
            source: Some(self.source.name()),
        };
        let path = partial.path().join(RECORD);
        serde_json::to_vec_pretty(&record)
            .map_err(std::io::Error::other)
            .and_then(|text| write_private(&path, &text))
            .map_err(|error| BaseError::Record { path, error })?;
        Ok(record)
    }

    async fn restore(&self, server: &Server, database: Option<&str>) -> Result<RestoreOutcome, BaseError> {
        if *self.dump == Source::Empty {
            return Ok(restore::make_empty(server.endpoint(), database).await?);
        }
        let text = TextStream::open(self.dump, self.pg_restore, Extent::Whole)
            .await?
            .counted(|length| self.activity.count("read", Unit::Bytes, length));
        Ok(restore::restore(DumpReader::new(text), self.facts, server.endpoint(), database).await?)
    }
}

/// Read beside everything else, so that signals and the time limit are heard while a big dump is.
async fn fingerprint(state: &StateDir, dump: &Source) -> Result<String, BaseError> {
    let (memory, dump) = (state.root().join("fingerprints.json"), dump.clone());
    let reading = tokio::task::spawn_blocking(move || FingerprintMemory::open(memory).fingerprint(&dump));
    match reading.await {
        Ok(fingerprint) => Ok(fingerprint?),
        Err(stopped) => std::panic::resume_unwind(stopped.into_panic()),
    }
}

fn server_for(facts: &DumpFacts, request: &BinaryRequest, source: &Source) -> Result<Binaries, BaseError> {
    let request = BinaryRequest { wanted_major: facts.server_major().or(request.wanted_major), ..request.clone() };
    Binaries::find(&request).map_err(|error| match (&error, &facts.server_version) {
        (BinariesError::TooOld { .. }, Some(version)) => {
            BaseError::NewerSource { name: source.name(), version: version.clone(), error }
        }
        _ => error.into(),
    })
}

/// The pg_restore for an archive, of at least the version whose pg_dump wrote it.
fn pg_restore_for(dump: &Source, request: &BinaryRequest) -> Result<Option<ToolBinary>, BaseError> {
    let Source::Archive { path, format } = dump else { return Ok(None) };
    let unreadable = |error| SourceError::Unreadable { path: path.clone(), error };
    let head = match format {
        ArchiveFormat::Directory => path.join("toc.dat"),
        ArchiveFormat::Custom | ArchiveFormat::Tar => path.clone(),
    };
    // `PGDMP`, then the archive's own version; in a tar file after the first member's header.
    let mut bytes = Vec::new();
    std::fs::File::open(&head).and_then(|file| file.take(1024).read_to_end(&mut bytes)).map_err(unreadable)?;
    let start = if *format == ArchiveFormat::Tar { 512 } else { 0 };
    let at_least = match bytes.get(start..start + 7) {
        Some([b'P', b'G', b'D', b'M', b'P', 1, version]) if *version >= 16 => 17,
        Some([b'P', b'G', b'D', b'M', b'P', 1, 15]) => 16,
        _ => 0,
    };
    find_tool(request, "pg_restore", at_least).map(Some).map_err(|error| match at_least {
        0 => error.into(),
        major => BaseError::NewerSource { name: dump.name(), version: format!("{major} or newer"), error },
    })
}

fn key(fingerprint: &str, binaries: &Binaries, database: Option<&str>) -> String {
    let mut hash = Sha256::new();
    for part in [fingerprint, &binaries.version, &binaries.dir.to_string_lossy(), database.unwrap_or_default()] {
        hash.update(part);
        hash.update([0]);
    }
    hash.update(FORMAT.to_be_bytes());
    hexadecimal(&hash.finalize()[..16])
}

/// What is known of a base, if it is whole.
pub(super) fn read_record(folder: &Path) -> Option<BaseRecord> {
    let record: BaseRecord = serde_json::from_slice(&std::fs::read(folder.join(RECORD)).ok()?).ok()?;
    let whole = record.format == FORMAT && folder.join(DATA).join("PG_VERSION").is_file();
    whole.then_some(record)
}

fn blame_the_disk(error: BaseError, path: &Path, source: &Source, dump: &Source) -> BaseError {
    let Ok(disk) = nix::sys::statvfs::statvfs(path) else { return error };
    let free = disk.blocks_available() * disk.fragment_size();
    let said_so = matches!(error, BaseError::Restore(RestoreError::DiskFull { .. }));
    if !said_so && free > NO_SPACE {
        return error;
    }
    let needed = size_on_disk(dump);
    BaseError::DiskFull { path: path.into(), free, name: source.name(), needed, error: Box::new(error) }
}

/// Bytes a dump needs once restored, by a rule of thumb: text grows by indexes, compressed text by much more.
fn size_on_disk(dump: &Source) -> u64 {
    let file_size = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    match dump {
        Source::Plain { path, gzip } => file_size(path) * if *gzip { 10 } else { 2 },
        Source::Archive { path, format: ArchiveFormat::Tar } => file_size(path) * 2,
        Source::Archive { path, format: ArchiveFormat::Custom } => file_size(path) * 10,
        Source::Archive { path, format: ArchiveFormat::Directory } => {
            let files = std::fs::read_dir(path).into_iter().flatten().flatten();
            files.map(|entry| file_size(&entry.path())).sum::<u64>() * 10
        }
        Source::Url(_) | Source::Empty => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_blamed_where_the_server_says_so_and_nowhere_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let dump = Source::Plain { path: folder.path().join("shop.sql"), gzip: true };
        std::fs::write(folder.path().join("shop.sql"), vec![b' '; 2 << 20]).expect("a file");
        let blamed = |error: RestoreError| blame_the_disk(error.into(), folder.path(), &dump, &dump).to_string();
        let told = blamed(RestoreError::DiskFull { said: "could not extend file".into() });
        for part in ["the disk of ", " is full (", "shop.sql needs about 20 MB restored", "could not extend file"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let refused = || RestoreError::CreateDatabase { database: "shop".into(), error: Box::default() };
        assert_eq!(blamed(refused()), refused().to_string(), "there is room");
    }
}
