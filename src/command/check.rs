//! `check` and `demo`: from options to an exit code.

use super::bases::{Bases, named_source, roles};
use super::{Stop, exit};
use crate::cli::{CheckArgs, FailOn};
use crate::config::Settings;
use crate::copy::base::Base;
use crate::copy::source::Source;
use crate::migration::git::Changed;
use crate::migration::layout::{self, MigrationTree, Request, detect};
use crate::progress::{Activity, Progress};
use crate::rehearsal::budget::{self, Budget};
use crate::rehearsal::{Plan, Rehearsal, RehearsalError, SourceFacts, rehearse};
use crate::report::redact::Redactor;
use crate::report::v1::{Confinement, Fidelity, Report, Severity, SourceKind};
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
        sample(&mut settings, &cwd)?;
        vec![settings]
    } else {
        Settings::resolve(args, &cwd).map_err(Stop::usage)?
    };
    // All of them before the first takes its time: what is wrong with the last is known at once.
    let jobs = databases.into_iter().map(Job::prepare).collect::<Result<Vec<_>, _>>()?;
    let progress = Progress::new(args.quiet);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Stop::environment(anyhow!("cannot start the runtime: {error}")))?;
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
    source: Source,
    outputs: Vec<Output>,
}

impl Job {
    fn prepare(settings: Settings) -> Result<Self, Stop> {
        let name = settings.name.clone();
        Self::read(settings).map_err(|stop| stop.of(name.as_deref()))
    }

    fn read(settings: Settings) -> Result<Self, Stop> {
        let loaded = if settings.queries.is_empty() {
            Loaded::default()
        } else {
            workload::source::load_strictly(&settings.queries, &settings.root).map_err(Stop::usage)?
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
        let source = named_source(&settings)?;
        if let (Source::Empty, [_, _, ..]) = (&source, trees.as_slice()) {
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
        End::Complete | End::OutOfTime | End::Interrupted(_) => Ok(code),
    }
}

/// How a run ended.
enum End {
    Complete,
    OutOfTime,
    /// With the exit code of the signal.
    Interrupted(u8),
    /// What broke it.
    Broken(anyhow::Error),
}

/// The repository's own sample data and migrations.
fn sample(settings: &mut Settings, cwd: &Path) -> Result<(), Stop> {
    let home = cwd.ancestors().find(|folder| folder.join("sample-data/shop.sql").is_file()).ok_or_else(|| {
        Stop::usage(anyhow!(
            "`demo` runs on the sample data of Seatrial's own repository: run it inside a clone of that, or use \
             `seatrial check` on your own"
        ))
    })?;
    settings.source = Some(home.join("sample-data/shop.sql").to_string_lossy().into_owned());
    settings.migrations = vec![home.join("migrations")];
    settings.queries = vec![home.join("sample-data/queries")];
    settings.layout = Some("sqlx".to_owned());
    settings.root = home.to_path_buf();
    Ok(())
}

async fn run(job: Job, progress: Progress, signals: &mut Signals) -> Result<(Rehearsal, End), Stop> {
    let Job { settings, queries, passed_over, trees, changed, source, .. } = job;
    let settings = &settings;
    let deadline = settings.max_time.map(|budget| Instant::now() + budget);
    let mut rehearsal = Rehearsal::new(Redactor { show_values: settings.show_values }, queries);
    rehearsal.query_notes.extend(passed_over.iter().map(|each| format!("left out: {each}")));
    let activity = Activity::default();
    let work = async {
        let bases = Bases::open(settings, progress, activity.clone())?;
        let started = Instant::now();
        let obtaining = bases.obtain(&source);
        let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(started));
        let so_far = || budget::waiting_for("base:", started, &activity);
        let obtained = progress.while_waiting(tokio::time::timeout(left, obtaining), so_far).await;
        let Ok(base) = obtained else { return Ok(Err(RehearsalError::OutOfTime)) };
        let base = base.map_err(Stop::environment)?;
        rehearsal.source = Some(facts(&source, &base));
        // Both are facts of every server started here: unix socket only, and a role without special rights.
        rehearsal.confinement = vec![Confinement::NoTcpListener, Confinement::UnprivilegedRole];
        let roles = roles(settings, rehearsal.queries.iter());
        let limits = (settings.max_time, settings.max_disk);
        let budget = Budget::new(&base, bases.state.root(), limits, deadline).map_err(Stop::environment)?;
        let plan = Plan {
            settings,
            trees,
            changed,
            base,
            run: &bases.run,
            roles,
            progress,
            budget,
            activity: activity.clone(),
        };
        Ok(rehearse(&plan, &mut rehearsal).await)
    };
    // Dropping the work drops every server and folder it owns.
    let end = tokio::select! {
        result = work => match result? {
            Ok(()) => End::Complete,
            Err(RehearsalError::OutOfTime) => End::OutOfTime,
            Err(error @ (RehearsalError::Migration(_) | RehearsalError::NoHistory { .. } | RehearsalError::UnknownVersion { .. })) => {
                return Err(Stop::usage(error));
            }
            Err(error) => End::Broken(error.into()),
        },
        _ = signals.interrupt.recv() => End::Interrupted(exit::INTERRUPTED),
        _ = signals.terminate.recv() => End::Interrupted(exit::TERMINATED),
    };
    let why = match &end {
        End::Complete => "the run ended before".to_owned(),
        End::OutOfTime => RehearsalError::OutOfTime.to_string(),
        End::Interrupted(code) => {
            let signal = if *code == exit::TERMINATED { "terminated" } else { "interrupted" };
            budget::at_statement(signal, activity.running().as_ref())
        }
        End::Broken(error) => format!("the run broke off: {error}"),
    };
    // Without anything pending no pass was due.
    if !matches!(end, End::Complete) {
        budget::close_passes(&mut rehearsal, &settings.passes, &why, matches!(end, End::OutOfTime));
    }
    Ok((rehearsal, end))
}

/// What was named, or the one folder of the project in which some tool keeps migrations.
pub(super) fn migrations(settings: &Settings) -> Result<Vec<PathBuf>, Stop> {
    if !settings.migrations.is_empty() {
        return Ok(settings.migrations.clone());
    }
    let homes = detect::homes(&settings.root).map_err(Stop::usage)?;
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

fn facts(source: &Source, base: &Base) -> SourceFacts {
    let empty = matches!(source, Source::Empty);
    let mut notes = base.record.notes.clone();
    if !empty {
        notes.push("restored from a dump: bloat and physical row order of the original are gone".to_owned());
    }
    SourceFacts {
        kind: SourceKind::from_name(source.kind()).unwrap_or(SourceKind::Dump),
        name: source.name(),
        rows: Some(base.record.rows),
        bytes: Some(base.record.bytes),
        taken_at: base
            .taken_at
            .and_then(|moment| jiff::Timestamp::try_from(moment).ok())
            .map(|moment| moment.to_string()),
        fidelity: if empty { Fidelity::SchemaOnly } else { Fidelity::Logical },
        fidelity_notes: notes,
        restore_warnings: base.record.warnings.clone(),
    }
}

fn exit_code(report: &Report, rehearsal: &Rehearsal, settings: &Settings, end: &End) -> u8 {
    match end {
        End::Interrupted(code) => return *code,
        End::Broken(_) => return exit::COULD_NOT_REHEARSE,
        End::OutOfTime | End::Complete => {}
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
