//! The base of a data directory: a copy of its files, made ready by a server of exactly its version.

use super::{
    BaseError, BasePlace, BaseRecord, DATA, FORMAT, blame_the_disk, drop_other_databases, fingerprint, key,
    read_record, write_record,
};
use crate::copy::base::{Base, BaseOptions};
use crate::copy::data_directory::DataDirectory;
use crate::copy::fidelity::Grade;
use crate::copy::origin::OriginSettings;
use crate::copy::physical::{DataDirectoryCopy, make_base, planner_settings};
use crate::copy::source::{Source, SourceError};
use crate::copy::state::{BaseSlot, PartialBase, RunDir, StateDir};
use crate::engine::postgres::binaries::{Binaries, BinaryRequest};
use crate::engine::postgres::server::ClusterError;
use crate::engine::postgres::server::cluster::{import_data_dir, imported_bytes};
use crate::engine::postgres::wanted::while_wanted;
use crate::progress::{Activity, Unit};
use std::path::Path;
use std::sync::Arc;

/// Who wants the base, and where it belongs.
pub(super) struct Asked<'a> {
    pub(super) state: &'a StateDir,
    pub(super) run: &'a RunDir,
    pub(super) request: &'a BinaryRequest,
    pub(super) source: &'a Source,
    pub(super) options: &'a BaseOptions,
    pub(super) activity: &'a Activity,
}

impl Asked<'_> {
    /// The base of the data directory at this path: from the cache, or made now.
    pub(super) async fn obtain(&self, path: &Path, progress: &mut (dyn FnMut(&str) + Send)) -> Result<Base, BaseError> {
        let directory = DataDirectory::look(path).map_err(SourceError::from)?;
        let binaries = Binaries::of_major(self.request, directory.major)?;
        let content = fingerprint(self.state, self.source).await?;
        let database = self.options.database.as_deref();
        let key = key(&content, &binaries, database);
        let (place, record, reused) = match self.state.base(&key, read_record).await? {
            BaseSlot::Ready(ready, record) => (ready, record, true),
            BaseSlot::Missing(partial) => {
                if partial.replaces_a_damaged_one {
                    progress("the cached copy of the source is damaged: making it anew");
                }
                progress(&format!("copying {}, for PostgreSQL {}", self.source.name(), binaries.version));
                let made = self.make(&partial, &directory, &binaries, &content).await;
                let record = made.map_err(|error| blame_the_disk(error, partial.path(), self.source, self.source))?;
                let published = partial.publish()?;
                for line in self.state.trim_caches(self.options.max_cache)? {
                    progress(&line);
                }
                (published, record, false)
            }
        };
        let taken_at = Some(directory.control.written_at);
        Ok(Base {
            place: BasePlace::Cache(Arc::new(place)),
            binaries,
            record,
            reused,
            taken_at,
            // Its settings are the copy's server's own, below what the database and roles in it have.
            origin: OriginSettings::default(),
            activity: self.activity.clone(),
        })
    }

    async fn make(
        &self,
        partial: &PartialBase,
        directory: &DataDirectory,
        binaries: &Binaries,
        content: &str,
    ) -> Result<BaseRecord, BaseError> {
        let data_dir = partial.path().join(DATA);
        let copied = self.copy(directory, &data_dir, partial).await;
        // Before any error of copying is told: a server that runs there, unseen by us, is a reason for most of them.
        if fingerprint(self.state, self.source).await? != content {
            return Err(BaseError::ChangedDirectory { name: self.source.name() });
        }
        copied?;
        let planner = planner_settings(&directory.path);
        let copy = DataDirectoryCopy { directory, data_dir: &data_dir, binaries, run: self.run };
        let (server, outcome) = make_base(&copy, self.options.database.as_deref()).await?;
        let first_transaction = drop_other_databases(&server, &outcome.database).await?;
        server.stop().await?;
        let record = BaseRecord {
            format: FORMAT,
            database: outcome.database,
            warnings: outcome.warnings,
            grade: Grade::Physical,
            lost: Vec::new(),
            notes: outcome.notes.into_iter().chain(planner.notes).collect(),
            rows: outcome.rows,
            bytes: outcome.bytes,
            created_roles: outcome.created_roles,
            source_version: Some(directory.major.to_string()),
            copied_bytes: None,
            first_transaction,
            settings: planner.settings,
            source: Some(self.source.name()),
        };
        write_record(partial.path(), record)
    }

    /// Copies the files, beside everything else.
    async fn copy(&self, directory: &DataDirectory, to: &Path, partial: &PartialBase) -> Result<(), ClusterError> {
        let (segment, recovers) = directory.log();
        let (from, into, segment) = (directory.path.clone(), to.to_owned(), segment.to_owned());
        let counter = self.activity.count("copied", Unit::Bytes, Some(imported_bytes(&from, (&segment, recovers))?));
        let user = self.run.user().cloned();
        Ok(while_wanted((self.run.clone(), partial.clone()), move |given_up| {
            let log = (segment.as_str(), recovers);
            import_data_dir(given_up, &|bytes| counter.add(bytes), &from, &into, log, user.as_ref())
        })
        .await?)
    }
}
