//! Where bases come from, and as whom copies of them are used, by what the settings say.

use super::Stop;
use crate::config::Settings;
use crate::copy::base::{Base, BaseError, BaseOptions};
use crate::copy::scratch::Roles;
use crate::copy::source::Source;
use crate::copy::state::{RunDir, StateDir, sweep};
use crate::engine::postgres::binaries::BinaryRequest;
use crate::progress::{Activity, Progress};
use crate::workload::HotQuery;
use std::path::PathBuf;

/// The state folder, swept, with a run in it.
pub(super) struct Bases {
    pub state: StateDir,
    pub run: RunDir,
    request: BinaryRequest,
    options: BaseOptions,
    progress: Progress,
    activity: Activity,
}

impl Bases {
    /// Opens the state folder, removes what dead runs left, and begins a run; `activity` is told how far bases and copies are.
    pub fn open(settings: &Settings, progress: Progress, activity: Activity) -> Result<Self, Stop> {
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
        let options = BaseOptions {
            database: settings.database.clone(),
            refresh: settings.refresh,
            max_age: settings.max_age,
            max_cache: settings.max_cache,
        };
        Ok(Self { state, run, request, options, progress, activity })
    }

    /// The base of a source, restored if it is not in the cache.
    pub async fn obtain(&self, source: &Source) -> Result<Base, BaseError> {
        let mut say = |text: &str| self.progress.say(text);
        Base::obtain(&self.state, &self.run, &self.request, source, &self.options, &self.activity, &mut say).await
    }
}

/// Who runs what on copies, for these hot queries.
pub(super) fn roles<'a>(settings: &Settings, queries: impl Iterator<Item = &'a HotQuery>) -> Roles {
    Roles {
        requested: settings.role.clone(),
        hot_queries: queries.filter_map(|query| query.role.clone()).collect(),
        search_path: settings.schema.clone(),
        settings: settings.production.settings.clone(),
        role_settings: settings.production.role_settings.clone(),
    }
}
