//! Where bases come from, and as whom copies of them are used, by what the settings say.

use super::Stop;
use crate::cli::CheckArgs;
use crate::config::Settings;
use crate::copy::base::{Base, BaseError, BaseOptions};
use crate::copy::scratch::Roles;
use crate::copy::source::Source;
use crate::copy::state::{RunDir, StateDir, sweep};
use crate::engine::postgres::binaries::BinaryRequest;
use crate::progress::{Activity, Progress};
use crate::workload::HotQuery;
use anyhow::anyhow;
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
        let options =
            BaseOptions { database: settings.database.clone(), refresh: settings.refresh, max_age: settings.max_age };
        Ok(Self { state, run, request, options, progress, activity })
    }

    /// The base of a source, restored if it is not in the cache.
    pub async fn obtain(&self, source: &Source) -> Result<Base, BaseError> {
        let mut say = |text: &str| self.progress.say(text);
        Base::obtain(&self.state, &self.run, &self.request, source, &self.options, &self.activity, &mut say).await
    }
}

/// The project's settings for what needs one copy of one database and applies no migrations.
pub(super) fn settings_for_a_copy(args: &CheckArgs) -> Result<Settings, Stop> {
    let cwd = std::env::current_dir().map_err(|error| Stop::usage(anyhow!("no working directory: {error}")))?;
    let mut all = Settings::resolve_without_migrations(args, &cwd).map_err(Stop::usage)?;
    if all.len() > 1 {
        let names: Vec<&str> = all.iter().filter_map(|each| each.name.as_deref()).collect();
        return Err(Stop::usage(anyhow!("which database? name one with --database: {}", names.join(", "))));
    }
    all.pop().ok_or_else(|| Stop::usage(anyhow!("the configuration names no database")))
}

/// Where the data of a command that cannot do without comes from.
pub(super) fn named_source(settings: &Settings) -> Result<Source, Stop> {
    let source = settings.source.as_deref().ok_or_else(|| {
        Stop::usage(anyhow!(
            "--source is missing: name a dump (.sql, .sql.gz, or what pg_dump -Fc, -Fd or -Ft wrote), a postgres:// URL, \
             or `empty`, here or as `source` in seatrial.toml"
        ))
    })?;
    Source::parse(source).map_err(Stop::usage)
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
