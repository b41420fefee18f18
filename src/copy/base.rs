//! Bases: a source restored once into a cluster of its own, kept stopped in the cache, and copied for every pass. No
//! untrusted SQL ever runs in a base after it is made.

mod elsewhere;
mod error;
mod physical;
mod read;

pub use error::BaseError;

use crate::copy::data_directory::DataDirectory;
use crate::copy::dump::DumpReader;
use crate::copy::facts::DumpFacts;
use crate::copy::fidelity::Grade;
use crate::copy::fingerprint::{FingerprintMemory, hexadecimal, write_private};
use crate::copy::kept::Kept;
use crate::copy::manifest;
use crate::copy::origin::OriginSettings;
use crate::copy::provider::clones::Clones;
use crate::copy::provider::server::ServerBase;
use crate::copy::restore::{self, Destination, RestoreError, RestoreOutcome};
use crate::copy::scratch::Roles;
use crate::copy::source::{ArchiveFormat, Source};
use crate::copy::state::{BaseSlot, PartialBase, ReadyBase, RunDir, StateDir};
use crate::copy::text::{Extent, TextStream};
use crate::engine::ServerError;
use crate::engine::postgres::abilities::Ability;
use crate::engine::postgres::binaries::{Binaries, BinariesError, BinaryRequest, ToolBinary};
use crate::engine::postgres::catalog::net::NEXT_TRANSACTION;
use crate::engine::postgres::launch::confine;
use crate::engine::postgres::server::cluster::{copied_bytes, copy_data_dir_unless, create_cluster, imported_bytes};
use crate::engine::postgres::server::{ClusterError, Server, ServerMode, ServerOptions};
use crate::engine::postgres::session::{Session, quote_identifier};
use crate::engine::postgres::wanted::while_wanted;
use crate::progress::{Activity, Unit};
use read::ReadSource;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Raised whenever a base made by an older Seatrial must not be used any more.
const FORMAT: u32 = 5;
const RECORD: &str = "base.json";
const DATA: &str = "data";
const MANIFEST: &str = "manifest";
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
    /// `--max-cache`: bytes of bases and dumps that are kept; what nobody uses goes, longest unused first.
    pub max_cache: u64,
}

/// What is kept when nobody says otherwise: a week of nightly dumps of a few gigabytes each, and less than a disk on which
/// anybody would restore them. Whoever has more is told each time something goes.
pub const MAX_CACHE: u64 = 50 << 30;

impl Default for BaseOptions {
    fn default() -> Self {
        Self { database: None, max_age: Duration::from_secs(24 * 60 * 60), refresh: false, max_cache: MAX_CACHE }
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
    /// How true it is to the source.
    pub grade: Grade,
    /// What it lacks besides what its grade says.
    pub lost: Vec<String>,
    /// Rows loaded.
    pub rows: u64,
    /// Size of the database.
    pub bytes: u64,
    /// Roles made because the source names them.
    pub created_roles: Vec<String>,
    /// The server the source was dumped from, as the dump says it.
    pub source_version: Option<String>,
    /// Bytes of the files a copy needs; not in bases of before.
    #[serde(default)]
    pub copied_bytes: Option<u64>,
    /// The first transaction of every copy, as `xmin` has it; not in bases of before.
    #[serde(default)]
    pub first_transaction: Option<String>,
    /// What every copy's server is started with, by name and value: the source's own settings that decide about plans.
    #[serde(default)]
    pub settings: Vec<(String, String)>,
    /// What it was first made from, for people; not in bases of before.
    #[serde(default)]
    pub source: Option<String>,
}

impl BaseRecord {
    fn of(outcome: RestoreOutcome, source_version: Option<String>, first_transaction: Option<String>) -> Self {
        Self {
            format: FORMAT,
            database: outcome.database,
            warnings: outcome.warnings,
            notes: outcome.notes,
            grade: outcome.grade,
            lost: outcome.lost,
            rows: outcome.rows,
            bytes: outcome.bytes,
            created_roles: outcome.created_roles,
            source_version,
            copied_bytes: None,
            first_transaction,
            settings: Vec::new(),
            source: None,
        }
    }
}

/// Where a base is, and so its copies.
#[derive(Debug, Clone)]
pub(super) enum BasePlace {
    /// In the cache; kept, so that nobody clears it away between two copies.
    Cache(Arc<ReadyBase>),
    /// A database of an existing server.
    Server(ServerBase),
    /// With whoever makes clones of it.
    Clones(Clones),
}

/// A restored source, stopped, in the cache; or what stands for it where copies are made elsewhere.
#[derive(Debug, Clone)]
pub struct Base {
    /// Where it is.
    pub(super) place: BasePlace,
    /// The server that made it, and that its copies run on.
    pub binaries: Binaries,
    /// What is known of it.
    pub record: BaseRecord,
    /// It was in the cache already.
    pub reused: bool,
    /// When the data was taken from a running server, or a data directory was left; `None` for other sources.
    pub taken_at: Option<SystemTime>,
    /// How the planner of a running server is set that it was taken from; empty for other sources.
    pub origin: OriginSettings,
    /// Where it is told how far a copy of it is.
    activity: Activity,
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
        if let Source::DataDirectory { path } = source {
            let asked = physical::Asked { state, run, request, source, options, activity };
            return asked.obtain(path, progress).await;
        }
        let read = ReadSource::read(state, run, request, source, options, activity, progress).await?;
        let (dump, facts, taken_at) = (&read.dump, &read.facts, read.taken_at);
        let (pg_restore, database) = (read.pg_restore.as_ref(), read.database.as_deref());
        let (binaries, origin) = (server_for(facts, request, source)?, read.origin.clone());
        let content = read.content(state).await?;
        let key = key(&content, &binaries, database);
        let partial = match state.base(&key, read_record).await? {
            BaseSlot::Ready(ready, record) => {
                let (place, activity) = (BasePlace::Cache(Arc::new(ready)), activity.clone());
                return Ok(Self { place, binaries, record, reused: true, taken_at, origin, activity });
            }
            BaseSlot::Missing(partial) => partial,
        };
        if partial.replaces_a_damaged_one {
            progress("the cached copy of the source is damaged: making it anew");
        }
        progress(&format!("restoring {} with PostgreSQL {}", source.name(), binaries.version));
        let name = &read.name;
        let making = Making { state, run, binaries: &binaries, source, dump, name, pg_restore, facts, activity };
        let made = making.make(&partial, database).await;
        let record = made.map_err(|error| blame_the_disk(error, partial.path(), source, dump))?;
        // It is read twice, and kept under the name of what was read first. What was received is in a file of ours.
        if read.content(state).await? != content {
            return Err(BaseError::Changed { name: source.name() });
        }
        let place = BasePlace::Cache(Arc::new(partial.publish()?));
        for line in state.trim_caches(options.max_cache)? {
            progress(&line);
        }
        Ok(Self { place, binaries, record, reused: false, taken_at, origin, activity: activity.clone() })
    }

    /// Its name in the cache, where it is there.
    pub fn key(&self) -> Option<String> {
        match &self.place {
            BasePlace::Cache(place) => Some(place.folder().file_name()?.to_string_lossy().into_owned()),
            BasePlace::Server(_) | BasePlace::Clones(_) => None,
        }
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
        let BaseSlot::Ready(ready, record) = state.base(key, read_record).await? else { return Err(gone()) };
        let (place, activity) = (BasePlace::Cache(Arc::new(ready)), activity.clone());
        Ok(Self { place, binaries, record, reused: true, taken_at: None, origin: OriginSettings::default(), activity })
    }

    /// Whether each copy has a server of its own.
    pub fn is_private(&self) -> bool {
        matches!(self.place, BasePlace::Cache(_))
    }

    /// Whether roles without special rights can be made for its copies, and are.
    pub fn makes_roles(&self) -> bool {
        match &self.place {
            BasePlace::Cache(_) => true,
            BasePlace::Server(base) => base.abilities().has(Ability::Superuser),
            BasePlace::Clones(clones) => clones.are_of_superusers(),
        }
    }

    /// The stopped data directory, where there is one of our own. Never start a server on it: copy it.
    pub fn data_dir(&self) -> Option<PathBuf> {
        match &self.place {
            BasePlace::Cache(place) => Some(place.folder().join(DATA)),
            BasePlace::Server(_) | BasePlace::Clones(_) => None,
        }
    }

    /// Bytes each copy takes on this machine where no blocks are shared: the database and what else belongs to a cluster.
    ///
    /// # Errors
    /// The base cannot be read.
    pub fn copied_bytes(&self) -> Result<u64, ClusterError> {
        let Some(data_dir) = self.data_dir() else { return Ok(0) };
        match self.record.copied_bytes {
            Some(known) => Ok(known),
            None => Ok(copied_bytes(&data_dir)?),
        }
    }

    /// Size of the database, where its copies are made on a server of others.
    pub fn bytes_elsewhere(&self) -> Option<u64> {
        self.data_dir().is_none().then_some(self.record.bytes)
    }

    /// What copies made ready for these roles answered while nothing else was done to them.
    pub fn kept(&self, roles: &Roles) -> Kept {
        match &self.place {
            BasePlace::Cache(place) => Kept::of(place, &self.binaries, self.record.first_transaction.as_deref(), roles),
            // Whatever else happens there, the next copy may not be like this one.
            BasePlace::Server(_) | BasePlace::Clones(_) => Kept::nothing(),
        }
    }

    /// A copy for one pass, with a server of its own, measuring.
    ///
    /// # Errors
    /// No room, or the server does not start; a base that is on a server of others.
    pub async fn copy(&self, run: &RunDir, settings: Vec<(String, String)>) -> Result<Server, ClusterError> {
        let Some(data_dir) = self.data_dir() else { return Err(ClusterError::Elsewhere) };
        let to = run.fresh_path("copy");
        let into = to.clone();
        let counter = self.activity.count("copied", Unit::Bytes, Some(self.copied_bytes()?));
        let copying = while_wanted(run.clone(), move |given_up| {
            copy_data_dir_unless(given_up, &|bytes| counter.add(bytes), &data_dir, &into)
        });
        // The first server's start asks for it, and both take their time.
        let program = self.binaries.postgres();
        let (copied, _) = tokio::join!(copying, confine::ability(&program));
        copied?;
        let settings = self.record.settings.iter().cloned().chain(settings).collect();
        let options = ServerOptions { mode: ServerMode::Measuring, settings };
        Server::start(&self.binaries, &to, run, &options).await
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
    /// The dump in messages.
    name: &'a str,
    pg_restore: Option<&'a ToolBinary>,
    facts: &'a DumpFacts,
    activity: &'a Activity,
}

impl Making<'_> {
    async fn make(&self, partial: &PartialBase, database: Option<&str>) -> Result<BaseRecord, BaseError> {
        let data_dir = partial.path().join(DATA);
        create_cluster(self.binaries, self.state, self.run, &data_dir, partial.clone()).await?;
        let server = Server::start(self.binaries, &data_dir, self.run, &ServerMode::Loading.into()).await?;
        let outcome = self.restore(&server, database).await?;
        let first_transaction = drop_other_databases(&server, &outcome.database).await?;
        server.stop().await?;
        let record = BaseRecord::of(outcome, self.facts.server_version.clone(), first_transaction);
        write_record(partial.path(), BaseRecord { source: Some(self.source.name()), ..record })
    }

    async fn restore(&self, server: &Server, database: Option<&str>) -> Result<RestoreOutcome, BaseError> {
        if *self.dump == Source::Empty {
            return Ok(restore::make_empty(Destination::private(server.endpoint()), database).await?);
        }
        let text = TextStream::open(self.dump, self.name, self.pg_restore, Extent::Whole)
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

fn key(fingerprint: &str, binaries: &Binaries, database: Option<&str>) -> String {
    digest(&[fingerprint, &binaries.version, &binaries.dir.to_string_lossy(), database.unwrap_or_default()])
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    hash.update(FORMAT.to_be_bytes());
    hexadecimal(&hash.finalize()[..16])
}

/// What is known of a base, if it is whole.
pub(super) fn read_record(folder: &Path) -> Option<BaseRecord> {
    let record: BaseRecord = serde_json::from_slice(&std::fs::read(folder.join(RECORD)).ok()?).ok()?;
    let whole = record.format == FORMAT && manifest::holds(&folder.join(MANIFEST), &folder.join(DATA));
    whole.then_some(record)
}

/// Writes down, last of all, which files there are and what is known of them, how many bytes they are with it: without both,
/// it is no base.
fn write_record(folder: &Path, record: BaseRecord) -> Result<BaseRecord, BaseError> {
    let copied_bytes = copied_bytes(&folder.join(DATA)).map_err(ClusterError::from)?;
    let record = BaseRecord { copied_bytes: Some(copied_bytes), ..record };
    let text = serde_json::to_vec_pretty(&record).map_err(std::io::Error::other);
    let files = manifest::of(&folder.join(DATA)).map(String::into_bytes);
    for (name, text) in [(MANIFEST, files), (RECORD, text)] {
        let path = folder.join(name);
        let written = text.and_then(|text| write_private(&path, &text));
        written.map_err(|error| BaseError::Record { path, error })?;
    }
    Ok(record)
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
        Source::Plain { path, packing } => file_size(path) * if packing.is_some() { 10 } else { 2 },
        Source::Archive { path, format: ArchiveFormat::Tar } => file_size(path) * 2,
        Source::Archive { path, format: ArchiveFormat::Custom } => file_size(path) * 10,
        Source::Archive { path, format: ArchiveFormat::Directory } => {
            let files = std::fs::read_dir(path).into_iter().flatten().flatten();
            files.map(|entry| file_size(&entry.path())).sum::<u64>() * 10
        }
        Source::DataDirectory { path } => DataDirectory::look(path)
            .ok()
            .and_then(|directory| imported_bytes(&directory.path, directory.log()).ok())
            .unwrap_or_default(),
        Source::Url(_) | Source::Stdin | Source::Empty => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::unpack::Packing;

    #[test]
    fn a_full_disk_is_blamed_where_the_server_says_so_and_nowhere_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let dump = Source::Plain { path: folder.path().join("shop.sql"), packing: Some(Packing::Gzip) };
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
