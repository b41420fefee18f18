//! Where bases come from, and as whom copies of them are used, by what the settings say.

use super::Stop;
use crate::cli::CheckArgs;
use crate::config::Settings;
use crate::copy::base::{Base, BaseError, BaseOptions};
use crate::copy::provider::Provider;
use crate::copy::provider::clones::{Clones, Service};
use crate::copy::provider::server::ExistingServer;
use crate::copy::scratch::Roles;
use crate::copy::source::Source;
use crate::copy::sqlite::base::SqliteBaseError;
use crate::copy::sqlite::{self, SqliteSource};
use crate::copy::state::{RunDir, StateDir, sweep};
use crate::engine::postgres::binaries::BinaryRequest;
use crate::progress::{Activity, Progress};
use crate::report::v1::EngineName;
use crate::workload::HotQuery;
use anyhow::anyhow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The state folder, swept, with a run in it.
pub(super) struct Bases {
    pub state: StateDir,
    pub run: RunDir,
    request: BinaryRequest,
    options: BaseOptions,
    progress: Progress,
    activity: Activity,
    copies: Provider,
    elsewhere: Elsewhere,
}

/// A place of others where copies are made, for as long as the run lasts and a moment longer: what is there is removed
/// however the work ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Elsewhere(Arc<Mutex<Option<Opened>>>);

#[derive(Debug, Clone)]
enum Opened {
    Server(ExistingServer),
    Clones(Clones),
}

/// How long it may take to remove what is elsewhere; what stays is the next run's.
const CLOSE_LIMIT: Duration = Duration::from_secs(180);

impl Elsewhere {
    fn opened(&self) -> Option<Opened> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, opened: Opened) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
    }

    /// What was put back there, or has to be looked at.
    pub fn remarks(&self) -> Vec<String> {
        match self.opened() {
            None => Vec::new(),
            Some(Opened::Server(server)) => server.remarks(),
            Some(Opened::Clones(clones)) => clones.remarks(),
        }
    }

    /// Removes everything of this run there.
    pub async fn close(&self, progress: Progress) {
        let closing = async {
            match self.opened() {
                None => Ok(()),
                Some(Opened::Server(server)) => server.close().await,
                Some(Opened::Clones(clones)) => clones.close().await,
            }
        };
        let why = match tokio::time::timeout(CLOSE_LIMIT, closing).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", CLOSE_LIMIT.as_secs()),
        };
        progress.say(&format!("copies could not be removed, which the next run will try again: {why}"));
    }
}

impl Bases {
    /// Opens the state folder, removes what dead runs left, and begins a run; `activity` is told how far bases and copies are.
    pub fn open(
        settings: &Settings,
        progress: Progress,
        activity: Activity,
        elsewhere: Elsewhere,
    ) -> Result<Self, Stop> {
        let state = StateDir::open(settings.cache_dir.as_deref()).map_err(Stop::environment)?;
        for line in sweep(&state).map_err(Stop::environment)? {
            progress.say(&line);
        }
        let run = RunDir::create(&state).map_err(Stop::environment)?;
        let request = binary_request(settings, Some(state.root()));
        let options = BaseOptions {
            database: settings.database.clone(),
            refresh: settings.refresh,
            max_age: settings.max_age,
            max_cache: settings.max_cache,
        };
        let copies = settings.copies.clone();
        Ok(Self { state, run, request, options, progress, activity, copies, elsewhere })
    }

    /// The base of an SQLite database, taken if it is not in the cache.
    pub async fn obtain_sqlite(&self, source: &SqliteSource) -> Result<sqlite::base::Base, SqliteBaseError> {
        let mut say = |text: &str| self.progress.say(text);
        sqlite::base::Base::obtain(&self.state, &self.run, source, &self.activity, &mut say).await
    }

    /// The base of a source, restored if it is not in the cache; or what stands for it where copies are made elsewhere.
    /// There need be no source where clones are handed out.
    pub async fn obtain(&self, source: Option<&Source>) -> Result<Base, BaseError> {
        let mut say = |text: &str| self.progress.say(text);
        let source = match (&self.copies, source) {
            (Provider::Clones(service), source) => {
                let origin = match source {
                    Some(Source::Url(url)) => Some(url.clone()),
                    _ => None,
                };
                let service = Service { origin, ..service.clone() };
                let keep = |clones| self.elsewhere.keep(Opened::Clones(clones));
                let (clones, facts) = Clones::open(service, self.run.id(), self.state.root(), &mut say, &keep).await?;
                return Ok(Base::of_clones(clones, facts, &self.request, &self.activity));
            }
            (_, Some(source)) => source,
            (_, None) => &Source::Empty,
        };
        match &self.copies {
            Provider::Server(url) => {
                let server = ExistingServer::open(url, self.run.id(), Some(source), &mut say).await?;
                self.elsewhere.keep(Opened::Server(server.clone()));
                let (state, run, request) = (&self.state, &self.run, &self.request);
                Base::obtain_on(&server, state, run, request, source, &self.options, &self.activity, &mut say).await
            }
            Provider::Private | Provider::Clones(_) => {
                let (state, run, request) = (&self.state, &self.run, &self.request);
                Base::obtain(state, run, request, source, &self.options, &self.activity, &mut say).await
            }
        }
    }
}

/// Which server binaries the settings ask for; `cache` is where fetched ones are.
pub(super) fn binary_request(settings: &Settings, cache: Option<&Path>) -> BinaryRequest {
    let given = settings.postgres_bin.as_ref().map(PathBuf::from);
    let mut request = BinaryRequest::from_environment(given, None, cache.map(Path::to_owned));
    request.preferred_major = settings.production.major;
    request
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

/// Where the data of a command that cannot do without comes from, if that is PostgreSQL's; `others` is what may be named
/// besides.
pub(super) fn named_source(settings: &Settings, others: &str) -> Result<Source, Stop> {
    let source = settings.source.as_deref().ok_or_else(|| {
        Stop::usage(anyhow!(
            "--source is missing: name a dump (.sql, .sql.gz, .sql.zst, or what pg_dump -Fc, -Fd or -Ft wrote), `-` for one on \
             standard input, a stopped data directory, a postgres:// URL, {others}or `empty`, here or as `source` in seatrial.toml"
        ))
    })?;
    Source::parse(source).map_err(Stop::usage)
}

/// The source, if it is SQLite's; an empty one where nothing is named but the engine.
///
/// # Errors
/// It is to be SQLite's and cannot be used.
pub(super) fn sqlite_source(settings: &Settings) -> Result<Option<SqliteSource>, Stop> {
    let engine = settings.engine;
    match settings.source.as_deref() {
        Some(text) => SqliteSource::parse(text, engine).map_err(Stop::usage),
        None => Ok((engine == Some(EngineName::Sqlite)).then_some(SqliteSource::Empty)),
    }
}

/// Refuses a source of SQLite's for a command that is not there for it; `instead` says what to do.
pub(super) fn refuse_sqlite(settings: &Settings, command: &str, instead: &str) -> Result<(), Stop> {
    match sqlite_source(settings)? {
        Some(source) => Err(Stop::usage(anyhow!(
            "`seatrial {command}` is there for PostgreSQL only, and the source ({}) is SQLite's: {instead}",
            source.name()
        ))),
        None => Ok(()),
    }
}

/// Who runs what on copies of a base, for these hot queries.
pub(super) fn roles<'a>(settings: &Settings, base: &Base, queries: impl Iterator<Item = &'a HotQuery>) -> Roles {
    Roles {
        requested: settings.role.clone(),
        hot_queries: queries.filter_map(|query| query.role.clone()).collect(),
        search_path: settings.schema.clone(),
        origin: base.origin.clone(),
        extensions: settings.extensions.clone(),
        settings: settings.production.settings.clone(),
        role_settings: settings.production.role_settings.clone(),
    }
}
