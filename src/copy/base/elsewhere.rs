//! Bases that are not in the cache: a database of an existing server, or what somebody else makes clones of.

use super::read::ReadSource;
use super::{Base, BaseError, BaseOptions, BasePlace, BaseRecord, digest};
use crate::copy::dump::DumpReader;
use crate::copy::origin::OriginSettings;
use crate::copy::provider::clones::{CloneFacts, Clones};
use crate::copy::provider::server::ExistingServer;
use crate::copy::restore::{self, Destination, RestoreOutcome};
use crate::copy::source::Source;
use crate::copy::state::{RunDir, StateDir};
use crate::copy::text::{Extent, TextStream};
use crate::engine::postgres::binaries::{Binaries, BinaryRequest, find_tool};
use crate::progress::{Activity, Unit};
use std::path::PathBuf;

impl Base {
    /// The base of a source on an existing server: a database of it, from an earlier run or made now.
    ///
    /// # Errors
    /// As [`Self::obtain`], and the server's.
    #[expect(clippy::too_many_arguments, reason = "what a base on any server is made of, and who is told")]
    pub async fn obtain_on(
        server: &ExistingServer,
        state: &StateDir,
        run: &RunDir,
        request: &BinaryRequest,
        source: &Source,
        options: &BaseOptions,
        activity: &Activity,
        progress: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Self, BaseError> {
        let read = ReadSource::read(state, run, request, source, options, activity, progress).await?;
        let content = read.content(state).await?;
        let database = read.database.as_deref();
        // Another login would not own it, and a superuser's has owners and roles.
        let key = digest(&[&content, server.endpoint().observer(), server.version(), database.unwrap_or_default()]);
        let make = async |name: &str| -> Result<BaseRecord, BaseError> {
            progress(&format!("restoring {} on {}", source.name(), server.place()));
            let endpoint = server.endpoint();
            let comment = ExistingServer::half_made(&key);
            let destination = Destination {
                endpoint: &endpoint,
                maintenance: server.maintenance(),
                database: Some(name),
                comment: Some(&comment),
            };
            let outcome = match read.dump {
                Source::Empty => restore::make_empty(destination, database).await?,
                _ => {
                    let text =
                        TextStream::open(&read.dump, &read.name, read.pg_restore.as_ref(), Extent::Whole).await?;
                    let text = text.counted(|length| activity.count("read", Unit::Bytes, length));
                    restore::restore_to(DumpReader::new(text), &read.facts, destination, database).await?
                }
            };
            if read.content(state).await? != content {
                return Err(BaseError::Changed { name: source.name() });
            }
            Ok(BaseRecord::of(outcome, read.facts.server_version.clone(), None))
        };
        let (base, record, reused) = server.base(&key, make).await?;
        let binaries = Binaries {
            dir: PathBuf::new(),
            version: server.version().to_owned(),
            major: server.major(),
            pg_dump: find_tool(request, "pg_dump", server.major()).ok(),
            pg_restore: read.pg_restore.clone(),
        };
        let (place, activity) = (BasePlace::Server(base), activity.clone());
        Ok(Self { place, binaries, record, reused, taken_at: read.taken_at, origin: read.origin, activity })
    }

    /// What stands for a base where somebody else makes the copies.
    pub fn of_clones(clones: Clones, facts: CloneFacts, request: &BinaryRequest, activity: &Activity) -> Self {
        let CloneFacts { database, version, major, rows, bytes } = facts;
        let outcome = RestoreOutcome { rows, bytes, ..RestoreOutcome::new(database) };
        let record = BaseRecord::of(outcome, Some(version.clone()), None);
        let pg_dump = find_tool(request, "pg_dump", major).ok();
        let binaries = Binaries { dir: PathBuf::new(), version, major, pg_dump, pg_restore: None };
        let place = BasePlace::Clones(clones);
        let (origin, activity) = (OriginSettings::default(), activity.clone());
        Self { place, binaries, record, reused: false, taken_at: None, origin, activity }
    }
}
