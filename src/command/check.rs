//! `check` and `demo`: from options to an exit code.

use super::bases::{Bases, Elsewhere, named_source, roles};
use super::{Stop, exit};
use crate::cli::{CheckArgs, FailOn};
use crate::config::Settings;
use crate::copy::base::Base;
use crate::copy::fidelity::Grade;
use crate::copy::provider::Provider;
use crate::copy::scratch::ScratchError;
use crate::copy::source::Source;
use crate::copy::sqlite::{self, SqliteSource};
use crate::copy::state::StateDir;
use crate::engine::postgres::binaries::{Binaries, BinaryRequest};
use crate::migration::git::Changed;
use crate::migration::layout::{self, MigrationTree, Request, detect};
use crate::migration::script::Dialect;
use crate::progress::{Activity, Progress};
use crate::rehearsal::budget::{self, Budget};
use crate::rehearsal::{Course, Plan, Rehearsal, RehearsalError, SourceFacts, embedded, rehearse};
use crate::report::redact::Redactor;
use crate::report::v1::{EngineName, Fidelity, Report, Severity, SourceKind};
use crate::report::{self, Output, Shown, build};
use crate::workload::source::{Loaded, WorkloadError};
use crate::workload::{self, HotQuery};
use anyhow::anyhow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Runs `check`; `demo` fills in the repository's own sample data. Several databases are rehearsed one after another.
pub(super) fn check(args: &CheckArgs, demo: bool) -> Result<u8, Stop> {
    let cwd = std::env::current_dir().map_err(|error| Stop::usage(anyhow!("no working directory: {error}")))?;
    let databases = if demo {
        let mut settings = Settings::resolve_top(args, &cwd).map_err(Stop::usage)?;
        sample(&mut settings, &cwd, args.quiet)?;
        vec![settings]
    } else {
        Settings::resolve(args, &cwd).map_err(Stop::usage)?
    };
    // All of them before the first takes its time: what is wrong with the last is known at once.
    let jobs = databases.into_iter().map(Job::prepare).collect::<Result<Vec<_>, _>>()?;
    if jobs.iter().filter(|job| job.source == Some(DataSource::Postgres(Source::Stdin))).count() > 1 {
        return Err(Stop::usage(anyhow!(
            "standard input can be read once, and several databases have `-` as their source: save the dump to a file, or \
             choose one of them with --database"
        )));
    }
    let progress = Progress::new(args.quiet);
    let runtime = super::runtime()?;
    let mut signals = runtime.block_on(async { Signals::listen() }).map_err(Stop::environment)?;
    let databases = jobs.len();
    let several = databases > 1;
    let mut worst = exit::CLEAN;
    for (index, job) in jobs.into_iter().enumerate() {
        let name = job.settings.name.clone();
        if let Some(name) = &name {
            progress.say(&format!("database {name}"));
        }
        let code = match rehearse_one(job, (index, databases), args, progress, &runtime, &mut signals) {
            // The others are rehearsed all the same.
            Err(stop) if several => {
                let stop = stop.of(name.as_deref());
                stop.complain();
                stop.code
            }
            result => result?,
        };
        worst = exit::worse(worst, code);
        if [exit::INTERRUPTED, exit::TERMINATED].contains(&code) {
            break;
        }
    }
    // The runtime goes last and waits for what runs beside: a copy that was given up is removed by whoever made it.
    drop(runtime);
    Ok(worst)
}

/// One database, with everything read that can be read before the first rehearsal.
struct Job {
    settings: Settings,
    queries: Vec<HotQuery>,
    /// Registered, and without a plan by their nature.
    passed_over: Vec<WorkloadError>,
    trees: Vec<MigrationTree>,
    changed: Option<Changed>,
    /// None is needed where clones are handed out.
    source: Option<DataSource>,
    outputs: Vec<Output>,
}

impl Job {
    fn prepare(settings: Settings) -> Result<Self, Stop> {
        let name = settings.name.clone();
        Self::read(settings).map_err(|stop| stop.of(name.as_deref()))
    }

    fn read(mut settings: Settings) -> Result<Self, Stop> {
        let source = data_source(&settings)?;
        if let Some(DataSource::Sqlite(_)) = source {
            settings.layout_options.dialect = Dialect::Sqlite;
        }
        let loaded = if settings.queries.is_empty() {
            Loaded::default()
        } else {
            workload::source::load_strictly(&settings.queries, &settings.root, settings.layout_options.dialect)
                .map_err(Stop::usage)?
        };
        let (queries, passed_over) = (loaded.queries, loaded.passed_over);
        let paths = if settings.command.is_some() { Vec::new() } else { migrations(&settings)? };
        let request = Request { paths: &paths, root: &settings.root, options: &settings.layout_options };
        let trees = match settings.command {
            Some(_) => Vec::new(),
            None => layout::read(&request, settings.layout.as_deref()).map_err(Stop::usage)?,
        };
        let changed = settings.base.as_ref().map(|base| Changed::since(base, &settings.root));
        let changed = changed.transpose().map_err(Stop::usage)?;
        if let (Some(source), [_, _, ..]) = (&source, trees.as_slice())
            && source.is_empty()
        {
            // An empty database has no history that could tell them apart.
            let names = trees.iter().map(|tree| (tree.layout, tree.detected.as_deref().unwrap_or_default()));
            return Err(Stop::usage(detect::ambiguous(&paths[0], names)));
        }
        // First: other formats may be meant for this folder.
        if let Some(folder) = &settings.out {
            std::fs::create_dir_all(folder)
                .map_err(|error| Stop::usage(anyhow!("--out {}: {error}", folder.display())))?;
        }
        let outputs = Output::parse_all(&settings.format).map_err(Stop::usage)?;
        if let Some(folder) = &settings.suggest {
            super::suggest::make_ready(folder).map_err(Stop::usage)?;
        }
        Ok(Self { settings, queries, passed_over, trees, changed, source, outputs })
    }
}

/// Where the data comes from, and so what it runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
enum DataSource {
    Postgres(Source),
    Sqlite(SqliteSource),
}

impl DataSource {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Postgres(Source::Empty) | Self::Sqlite(SqliteSource::Empty))
    }
}

/// What the settings name, recognised; `None` where clones are handed out and nothing has to be named.
fn data_source(settings: &Settings) -> Result<Option<DataSource>, Stop> {
    let clones = matches!(settings.copies, Provider::Clones(_));
    if let Some(text) = &settings.source
        && let Some(source) = SqliteSource::parse(text, settings.engine).map_err(Stop::usage)?
    {
        if settings.copies != Provider::Private {
            return Err(Stop::usage(anyhow!(
                "--source {}: copies of an SQLite database are files of this run, made here: leave [copies] out",
                source.name()
            )));
        }
        return Ok(Some(DataSource::Sqlite(source)));
    }
    if settings.engine == Some(EngineName::Sqlite) {
        return Err(Stop::usage(match &settings.source {
            Some(source) if !source.contains("://") => anyhow!(
                "--source {source}: for --engine sqlite name a database, a dump made with `.dump` of the sqlite3 shell, or `empty`"
            ),
            Some(_) => anyhow!("--engine sqlite: a URL is no SQLite database; name the file"),
            None => anyhow!("--source is missing: name an SQLite database, a dump of one, or `empty`"),
        }));
    }
    let source = match &settings.source {
        None if clones => None,
        _ => Some(named_source(settings, "sqlite:FILE, ")?),
    };
    if let Some(source) = source.as_ref().filter(|source| clones && !matches!(source, Source::Url(_))) {
        return Err(Stop::usage(anyhow!(
            "--source {}: copies are clones that [copies] hands out, so nothing is restored; leave the source out, or \
             name the database they are clones of by its postgres:// address, so that it is never taken for one",
            source.name()
        )));
    }
    Ok(source.map(DataSource::Postgres))
}

/// What ends a run from outside. One for all databases: a signal between two of them is not lost.
pub(super) struct Signals {
    pub(super) interrupt: Signal,
    pub(super) terminate: Signal,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }
}

/// Rehearses one database and writes its report: the one at a position, from 0, of so many.
fn rehearse_one(
    job: Job,
    (index, databases): (usize, usize),
    args: &CheckArgs,
    progress: Progress,
    runtime: &Runtime,
    signals: &mut Signals,
) -> Result<u8, Stop> {
    let (settings, outputs) = (job.settings.clone(), job.outputs.clone());
    let (mut rehearsal, end) = runtime.block_on(run(job, progress, signals))?;
    rehearsal.compare_with_production(&settings.production);
    rehearsal.look_for_hot_tables(&settings.thresholds.hot_tables);

    let findings = crate::check::run(&rehearsal, &(&settings).into());
    let mut report = build::report(&rehearsal, &findings);
    let code = exit_code(&report, &rehearsal, &settings, &end);
    report.exit_code = code;
    if let End::Interrupted(_) | End::Broken(_) = end {
        report.complete = false;
    }
    if let Some(folder) = &settings.out {
        report::write_artefacts(&report, folder).map_err(Stop::environment)?;
    }
    if let Some(folder) = &settings.suggest
        && let Some(said) = super::suggest::write(&rehearsal, &settings, folder).map_err(Stop::environment)?
    {
        progress.say(&said);
    }
    if let Some(name) = &settings.name {
        report::write_heading(name, index == 0, &outputs, args.color).map_err(Stop::environment)?;
    }
    let shown = Shown {
        color: args.color,
        verbose: args.verbose,
        quiet: args.quiet,
        out_dir: settings.out.as_deref(),
        database: settings.name.as_deref(),
        databases,
    };
    report::emit(&report, &outputs, shown).map_err(Stop::environment)?;
    match end {
        End::Broken(error) => Err(Stop { code, error }),
        End::Complete | End::OutOfBudget(_) | End::Interrupted(_) => Ok(code),
    }
}

/// How a run ended.
enum End {
    Complete,
    /// Of time or disk, and how that is said.
    OutOfBudget(String),
    /// With the exit code of the signal.
    Interrupted(u8),
    /// What broke it.
    Broken(anyhow::Error),
}

/// The repository's own sample data and migrations: on PostgreSQL where there is a server for it, else on SQLite, which needs
/// none.
fn sample(settings: &mut Settings, cwd: &Path, quiet: bool) -> Result<(), Stop> {
    let home = cwd.ancestors().find(|folder| folder.join("sample-data/shop.sql").is_file()).ok_or_else(|| {
        Stop::usage(anyhow!(
            "`demo` runs on the sample data of Seatrial's own repository: run it inside a clone of that, or use \
             `seatrial check` on your own"
        ))
    })?;
    let say = |text: &str| Progress::new(quiet).say(text);
    let engine = match settings.engine {
        Some(engine) => engine,
        None => match Binaries::find(&server_request(settings)?) {
            Ok(found) => {
                say(&format!(
                    "on PostgreSQL {}, which is in {}; `--engine sqlite` shows the same on SQLite",
                    found.version,
                    found.postgres().parent().unwrap_or(Path::new("/")).display()
                ));
                EngineName::Postgresql
            }
            Err(_) => {
                say(
                    "on SQLite, which is compiled in: no PostgreSQL server was found on this machine (`seatrial doctor` says how \
                     to get one)",
                );
                EngineName::Sqlite
            }
        },
    };
    settings.engine = Some(engine);
    let data = home.join("sample-data");
    let (data, migrations) = match engine {
        EngineName::Postgresql => (data, home.join("migrations")),
        EngineName::Sqlite => (data.join("sqlite"), data.join("sqlite/migrations")),
    };
    settings.source = Some(data.join("shop.sql").to_string_lossy().into_owned());
    settings.migrations = vec![migrations];
    settings.queries = vec![data.join("queries")];
    settings.layout = Some("sqlx".to_owned());
    settings.root = home.to_path_buf();
    Ok(())
}

/// Servers on this machine, those fetched into the cache among them.
fn server_request(settings: &Settings) -> Result<BinaryRequest, Stop> {
    let state = StateDir::open(settings.cache_dir.as_deref()).map_err(Stop::environment)?;
    Ok(super::bases::binary_request(settings, Some(state.root())))
}

async fn run(job: Job, progress: Progress, signals: &mut Signals) -> Result<(Rehearsal, End), Stop> {
    let Job { settings, queries, passed_over, trees, changed, source, .. } = job;
    let settings = &settings;
    let deadline = settings.max_time.map(|budget| Instant::now() + budget);
    let mut rehearsal = Rehearsal::new(Redactor { show_values: settings.show_values }, queries);
    rehearsal.query_notes.extend(passed_over.iter().map(|each| format!("left out: {each}")));
    rehearsal.source = Some(named(source.as_ref(), &settings.copies));
    let activity = Activity::default();
    let elsewhere = Elsewhere::default();
    let work = async {
        let bases = Bases::open(settings, progress, activity.clone(), elsewhere.clone())?;
        let started = Instant::now();
        let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(started));
        let so_far = || budget::waiting_for("base:", started, &activity);
        let course = |bytes: u64| {
            let budget = Budget::new(bytes, bases.state.root(), (settings.max_time, settings.max_disk), deadline);
            Course { settings, trees, changed, run: &bases.run, progress, budget, activity: activity.clone() }
        };
        if let Some(DataSource::Sqlite(source)) = &source {
            let obtaining = tokio::time::timeout(left, bases.obtain_sqlite(source));
            let Ok(base) = progress.while_waiting(obtaining, so_far).await else {
                return Ok(Err(RehearsalError::OutOfTime));
            };
            let base = base.map_err(Stop::environment)?;
            rehearsal.source = Some(sqlite_facts(source, &base, settings.fidelity));
            let plan = embedded::Plan { course: course(base.copied_bytes()), base };
            return Ok(rehearse(&plan, &mut rehearsal).await);
        }
        let source = source.and_then(|source| match source {
            DataSource::Postgres(source) => Some(source),
            DataSource::Sqlite(_) => None,
        });
        let obtaining = tokio::time::timeout(left, bases.obtain(source.as_ref()));
        let Ok(base) = progress.while_waiting(obtaining, so_far).await else {
            return Ok(Err(RehearsalError::OutOfTime));
        };
        let base = base.map_err(Stop::environment)?;
        rehearsal.source = Some(facts(source.as_ref(), &base, &settings.copies, settings.fidelity));
        let roles = roles(settings, &base, rehearsal.queries.iter());
        let bytes = base.copied_bytes().map_err(ScratchError::from).map_err(Stop::environment)?;
        let origin = match &source {
            // Where clones are handed out it is only asked whether one is it.
            Some(Source::Url(url)) if !matches!(settings.copies, Provider::Clones(_)) => Some(url.clone()),
            _ => None,
        };
        let mut course = course(bytes);
        course.budget = course.budget.elsewhere(base.bytes_elsewhere());
        let plan = Plan { course, base, origin, roles };
        Ok(rehearse(&plan, &mut rehearsal).await)
    };
    // Dropping the work drops every server and folder it owns.
    let ended = tokio::select! {
        result = work => match result {
            Err(stop) => Err(stop),
            Ok(Ok(())) => Ok(End::Complete),
            Ok(Err(error)) if error.is_spent_budget() => Ok(End::OutOfBudget(error.to_string())),
            Ok(Err(
                error @ (RehearsalError::Migration(_)
                | RehearsalError::NoHistory { .. }
                | RehearsalError::UnknownVersion { .. }
                | RehearsalError::NoCommand),
            )) => Err(Stop::usage(error)),
            Ok(Err(error)) => Ok(End::Broken(error.into())),
        },
        _ = signals.interrupt.recv() => Ok(End::Interrupted(exit::INTERRUPTED)),
        _ = signals.terminate.recv() => Ok(End::Interrupted(exit::TERMINATED)),
    };
    // What is elsewhere does not go by being dropped.
    elsewhere.close(progress).await;
    for remark in elsewhere.remarks() {
        progress.say(&remark);
        if !rehearsal.notes.contains(&remark) {
            rehearsal.notes.push(remark);
        }
    }
    let end = ended?;
    let why = match &end {
        End::Complete => "the run ended before".to_owned(),
        End::OutOfBudget(why) => why.clone(),
        End::Interrupted(code) => {
            let signal = if *code == exit::TERMINATED { "terminated" } else { "interrupted" };
            budget::at_statement(signal, activity.running().as_ref())
        }
        End::Broken(error) => format!("the run broke off: {error}"),
    };
    // Without anything pending no pass was due.
    if !matches!(end, End::Complete) {
        budget::close_passes(&mut rehearsal, &settings.passes, &why, matches!(end, End::OutOfBudget(_)));
    }
    Ok((rehearsal, end))
}

/// What was named, or the one folder of the project in which some tool keeps migrations.
pub(super) fn migrations(settings: &Settings) -> Result<Vec<PathBuf>, Stop> {
    if !settings.migrations.is_empty() {
        return Ok(settings.migrations.clone());
    }
    let homes = detect::homes(&settings.root, settings.layout_options.dialect).map_err(Stop::usage)?;
    let names: Vec<String> = homes
        .iter()
        .map(|home| {
            let layouts: Vec<&str> = home.candidates.iter().map(|each| each.layout.name()).collect();
            format!("{} ({})", home.directory.display(), layouts.join(" or "))
        })
        .collect();
    match homes.into_iter().next() {
        Some(home) if names.len() == 1 => Ok(vec![home.directory]),
        Some(_) => Err(Stop::usage(anyhow!("migrations in several folders: {}: name one of them", names.join(", ")))),
        None => Err(Stop::usage(anyhow!(
            "no migrations: none of the folders migration tools use is in {}: name files or a directory",
            settings.root.display()
        ))),
    }
}

/// What is known of the source from its name alone.
fn named(source: Option<&DataSource>, copies: &Provider) -> SourceFacts {
    let of = |kind: &str| SourceKind::from_name(kind).unwrap_or(SourceKind::Dump);
    let (kind, name) = match (copies, source) {
        (Provider::Clones(_), _) => (SourceKind::Clone, "clones".to_owned()),
        (_, Some(DataSource::Postgres(source))) => (of(source.kind()), source.name()),
        (_, Some(DataSource::Sqlite(source))) => (source.kind(), source.name()),
        (_, None) => (SourceKind::Empty, String::new()),
    };
    SourceFacts::before_its_base(kind, name)
}

fn facts(source: Option<&Source>, base: &Base, copies: &Provider, said: Option<Grade>) -> SourceFacts {
    let mut notes = base.record.notes.clone();
    let (kind, name, known) = match (copies, source) {
        (Provider::Clones(service), source) => {
            notes.extend(service.told().1);
            if service.likeness().is_none() {
                notes.push("nobody says how near the clones are to the original (fidelity in [copies])".to_owned());
            }
            let origin = match source {
                Some(source) => source.name(),
                None => {
                    notes.push(
                        "no source is named: that the clones are not production itself could only be told by themselves"
                            .to_owned(),
                    );
                    "clones".to_owned()
                }
            };
            (SourceKind::Clone, origin, service.likeness().unwrap_or(Grade::Subset))
        }
        (_, Some(source)) => {
            (SourceKind::from_name(source.kind()).unwrap_or(SourceKind::Dump), source.name(), base.record.grade)
        }
        (_, None) => (SourceKind::Empty, String::new(), Grade::SchemaOnly),
    };
    let grade = said.map_or(known, |said| said.min(known));
    if grade < known {
        notes.push(format!("graded `{}` because the configuration says so (fidelity)", grade.name()));
    }
    // An empty source lacks nothing; how clones are made is their service's to say.
    if !matches!(kind, SourceKind::Empty | SourceKind::Clone) {
        notes.extend(grade.losses().iter().map(|loss| (*loss).to_owned()));
    }
    notes.extend(base.record.lost.iter().cloned());
    let told = match copies {
        Provider::Clones(service) => service.told().0,
        Provider::Private | Provider::Server(_) => None,
    };
    let taken_at = base.taken_at.and_then(|moment| jiff::Timestamp::try_from(moment).ok()).or(told);
    SourceFacts {
        kind,
        name,
        rows: Some(base.record.rows),
        bytes: Some(base.record.bytes),
        taken_at: taken_at.map(|moment| moment.to_string()),
        fidelity: Fidelity::from_name(grade.name()).unwrap_or(Fidelity::SchemaOnly),
        fidelity_notes: notes,
        restore_warnings: base.record.warnings.clone(),
    }
}

fn sqlite_facts(source: &SqliteSource, base: &sqlite::base::Base, said: Option<Grade>) -> SourceFacts {
    let known = base.record.grade;
    let grade = said.map_or(known, |said| said.min(known));
    let mut notes = base.record.notes.clone();
    if grade < known {
        notes.push(format!("graded `{}` because the configuration says so (fidelity)", grade.name()));
    }
    match (grade, source) {
        (_, SqliteSource::Script { .. }) => {
            notes.push("made from a dump: free pages, the order of pages and what is not in a dump are gone".to_owned())
        }
        (Grade::Subset, _) => notes.push(
            "a subset, or changed values: row counts, durations and plans are not production's, and rows that break a \
             migration may be missing"
                .to_owned(),
        ),
        _ => {}
    }
    SourceFacts {
        kind: source.kind(),
        name: source.name(),
        rows: Some(base.record.rows),
        bytes: Some(base.record.bytes),
        taken_at: jiff::Timestamp::try_from(base.taken_at)
            .ok()
            .filter(|_| matches!(source, SqliteSource::File(_)))
            .map(|moment| moment.to_string()),
        fidelity: Fidelity::from_name(grade.name()).unwrap_or(Fidelity::SchemaOnly),
        fidelity_notes: notes,
        restore_warnings: Vec::new(),
    }
}

fn exit_code(report: &Report, rehearsal: &Rehearsal, settings: &Settings, end: &End) -> u8 {
    match end {
        End::Interrupted(code) => return *code,
        End::Broken(_) => return exit::COULD_NOT_REHEARSE,
        End::OutOfBudget(_) | End::Complete => {}
    }
    if rehearsal.passes.iter().any(|pass| pass.out_of_budget) {
        let unknown =
            |answer: &str| build::is_unknown(&report.answers, answer) && budget::may_have_cost(rehearsal, answer);
        let required: Vec<&str> = settings.require.iter().map(String::as_str).collect();
        // Without any requirement, the run must at least have measured what the migration does.
        let required = if required.is_empty() { vec!["applies", "blocks"] } else { required };
        if required.into_iter().any(unknown) {
            return exit::OUT_OF_TIME;
        }
    }
    if report.migrations.is_empty() && settings.require_pending {
        return exit::NOTHING_PENDING;
    }
    let counts = |severity: Severity| match settings.fail_on {
        FailOn::Error => severity == Severity::Error,
        FailOn::Warning => severity != Severity::Info,
        FailOn::Never => false,
    };
    let failing = report.findings.iter().any(|finding| finding.suppressed_by.is_none() && counts(finding.severity));
    if failing { exit::FINDINGS } else { exit::CLEAN }
}
