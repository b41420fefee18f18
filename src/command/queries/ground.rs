//! A copy of the source that queries are planned on.

use super::Stop;
use crate::config::Settings;
use crate::copy::base::{Base, BaseOptions};
use crate::copy::scratch::{Roles, ScratchDatabase};
use crate::copy::source::Source;
use crate::copy::state::{RunDir, StateDir, sweep};
use crate::engine::postgres::binaries::BinaryRequest;
use crate::progress::Progress;
use crate::workload::HotQuery;
use std::path::PathBuf;

/// A running copy. The folder it is in goes last.
pub(super) struct Ground {
    pub copy: ScratchDatabase,
    _run: RunDir,
    _state: StateDir,
}

impl Ground {
    /// Makes the base of `source`, as `check` does, and a copy of it.
    pub async fn make(
        settings: &Settings,
        source: &str,
        queries: &[&HotQuery],
        progress: Progress,
    ) -> Result<Self, Stop> {
        let source = Source::parse(source).map_err(Stop::usage)?;
        let state = StateDir::open(settings.cache_dir.as_deref()).map_err(Stop::environment)?;
        for line in sweep(&state).map_err(Stop::environment)? {
            progress.say(&line);
        }
        let run = RunDir::create(&state).map_err(Stop::environment)?;
        let mut request = BinaryRequest::from_environment(
            settings.postgres_bin.as_ref().map(PathBuf::from),
            None,
            Some(state.root().to_path_buf()),
        );
        request.preferred_major = settings.production.major;
        let options =
            BaseOptions { database: settings.database.clone(), refresh: settings.refresh, max_age: settings.max_age };
        let mut say = |text: &str| progress.say(text);
        let base =
            Base::obtain(&state, &run, &request, &source, &options, &mut say).await.map_err(Stop::environment)?;
        let roles = Roles {
            requested: settings.role.clone(),
            hot_queries: queries.iter().filter_map(|query| query.role.clone()).collect(),
            search_path: settings.schema.clone(),
            settings: settings.production.settings.clone(),
            role_settings: settings.production.role_settings.clone(),
        };
        let copy = ScratchDatabase::create(&base, &run, &roles).await.map_err(Stop::environment)?;
        Ok(Self { copy, _run: run, _state: state })
    }

    /// Removes it.
    pub async fn remove(self) -> Result<(), Stop> {
        self.copy.destroy().await.map_err(Stop::environment)
    }
}
