//! A source, looked at before anything is made of it.

use super::{BaseError, BaseOptions, fingerprint};
use crate::copy::facts::DumpFacts;
use crate::copy::live::{self, LiveDump};
use crate::copy::origin::OriginSettings;
use crate::copy::source::{ArchiveFormat, Source, SourceError};
use crate::copy::state::{RunDir, StateDir};
use crate::copy::stdin::{self, Received};
use crate::engine::postgres::binaries::{BinaryRequest, ToolBinary, find_tool};
use crate::progress::Activity;
use std::io::Read;
use std::time::{Duration, SystemTime};

/// A source that was looked into, before it is restored anywhere.
pub(super) struct ReadSource {
    /// What it is called in messages.
    pub(super) name: String,
    /// A file, or an empty source: a running server is dumped by then.
    pub(super) dump: Source,
    pub(super) facts: DumpFacts,
    pub(super) pg_restore: Option<ToolBinary>,
    /// Which of a cluster dump's databases.
    pub(super) database: Option<String>,
    pub(super) taken_at: Option<SystemTime>,
    pub(super) origin: OriginSettings,
    /// What came on standard input, in a file of ours.
    received: Option<Received>,
    /// Kept to the end: it is read until the base is made.
    _live: Option<LiveDump>,
}

impl ReadSource {
    pub(super) async fn read(
        state: &StateDir,
        run: &RunDir,
        request: &BinaryRequest,
        source: &Source,
        options: &BaseOptions,
        activity: &Activity,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Self, BaseError> {
        let mut received = None;
        let (dump, live, database) = match source {
            Source::Stdin => {
                progress("receiving the dump from standard input");
                let dump = received.insert(stdin::receive(std::io::stdin(), run, activity).await?);
                (dump.source.clone(), None, options.database.clone())
            }
            Source::Url(url) => {
                let max_age = if options.refresh { Duration::ZERO } else { options.max_age };
                let live = live::fetch(state, request, url, max_age, progress).await?;
                // The URL says which database; --database chooses among those of a cluster dump.
                let archive = Source::Archive { path: live.path.clone(), format: ArchiveFormat::Custom };
                (archive, Some(live), None)
            }
            other => (other.clone(), None, options.database.clone()),
        };
        if let Source::DataDirectory { .. } = dump {
            return Err(BaseError::NoDump { name: source.name() });
        }
        let pg_restore = pg_restore_for(&dump, request)?;
        let name = if received.is_some() { source.name() } else { dump.name() };
        let facts = DumpFacts::inspect(&dump, &name, pg_restore.as_ref(), database.as_deref()).await?;
        let taken_at = live.as_ref().map(|live| live.taken_at);
        let origin = live.as_ref().map(|live| live.settings.clone()).unwrap_or_default();
        Ok(Self { name, dump, facts, pg_restore, database, taken_at, origin, received, _live: live })
    }

    /// What tells it from every other; of what was received it was told as it came.
    pub(super) async fn content(&self, state: &StateDir) -> Result<String, BaseError> {
        match &self.received {
            Some(received) => Ok(received.fingerprint.clone()),
            None => fingerprint(state, &self.dump).await,
        }
    }
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
