//! One whole run, from what is pending to what was proven: [`rehearse`] reads from top to bottom, and [`Rehearsal`] is
//! the value every check and every report looks at.

pub(crate) mod answers;
pub(crate) mod cause;
mod ground;
mod passes;

use crate::config::Settings;
use crate::copy::base::Base;
use crate::copy::scratch::{Roles, ScratchDatabase, ScratchError};
use crate::copy::state::RunDir;
use crate::diff::catalog::CatalogChange;
use crate::diff::index::IndexChange;
use crate::diff::plan::PlanDiff;
use crate::diff::plan::verdict::Verdict;
use crate::engine::ServerError;
use crate::engine::postgres::apply::{Failure, Unwatched, apply};
use crate::engine::postgres::violators::Violators;
use crate::migration::MigrationError;
use crate::migration::git::Changed;
use crate::migration::history::{self, Pending, Row};
use crate::migration::layout::{MigrationTree, detect};
use crate::migration::{Migration, Statement};
use crate::observation::Observation;
use crate::progress::Progress;
use crate::report::human;
use crate::report::redact::Redactor;
use crate::report::v1::{Confinement, Fidelity, PassName, SourceKind};
use crate::rollback::Rollback;
use crate::snapshot::{Oid, Snapshot};
use crate::workload::HotQuery;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use thiserror::Error;

/// What keeps a rehearsal from being one; nothing of it is the migration's fault.
#[derive(Debug, Error)]
pub enum RehearsalError {
    /// The history on the copy and the files do not fit together.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// A directory whose history cannot be read.
    #[error(
        "{directory} is a directory, and the copy has no table that says which of its migrations are applied already.\n\
         Name the pending files one by one, say since when files are new (`--base origin/main`), or use `--source empty` \
         to rehearse all of them on an empty database"
    )]
    NoHistory {
        /// As given.
        directory: String,
    },
    /// `--to` names a version that is not pending.
    #[error("--to {version}: no pending migration has this version; pending: {pending}")]
    UnknownVersion {
        /// As given.
        version: String,
        /// What there is.
        pending: String,
    },
    /// A migration that has to be applied first, since it is pending and not new, does not apply.
    #[error("{version} is pending and not new since --base, so it has to be applied first, and it fails: {error}")]
    Earlier {
        /// The runner's version.
        version: String,
        /// What the server said.
        error: ServerError,
    },
    /// A copy cannot be made.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// A server refuses what the tool itself asks.
    #[error("the copy's server refused: {0}")]
    Server(#[from] ServerError),
    /// The rollback scripts cannot be made or run.
    #[error(transparent)]
    Rollback(#[from] crate::rollback::RollbackError),
    /// `--max-time` ran out.
    #[error("the budget of time (--max-time) is spent")]
    OutOfTime,
}

/// A pass and how it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    /// Which.
    pub name: PassName,
    /// It began and came to its end.
    pub ran: bool,
    /// Why it did not.
    pub reason: Option<String>,
    /// It began, and something other than the migration ended it.
    pub crashed: bool,
    /// In milliseconds.
    pub duration_ms: f64,
}

/// Where the data came from, for the report.
#[derive(Debug, Clone)]
pub struct SourceFacts {
    /// The contract's word.
    pub kind: SourceKind,
    /// Name for people, without secrets.
    pub name: String,
    /// Rows in all tables, as the statistics count them.
    pub rows: Option<u64>,
    /// Size of the database.
    pub bytes: Option<u64>,
    /// When the dump was made, if it says so.
    pub taken_at: Option<String>,
    /// How near the copy is to the original.
    pub fidelity: Fidelity,
    /// What was lost.
    pub fidelity_notes: Vec<String>,
    /// What could not be restored.
    pub restore_warnings: Vec<String>,
}

/// Statements and objects that made a plan change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause {
    /// Statement indexes, the one that matters most first.
    pub statements: Vec<usize>,
    /// Qualified names.
    pub objects: Vec<String>,
}

/// One query with one parameter set, before and after.
#[derive(Debug, Clone)]
pub struct PlanChange {
    /// What became of it.
    pub diff: PlanDiff,
    /// Why.
    pub cause: Cause,
}

impl PlanChange {
    /// Whether something about it changed that a statement must have caused.
    pub fn needs_cause(&self) -> bool {
        !matches!(self.diff.verdict.verdict, Verdict::Unchanged | Verdict::Unstable) || self.diff.verdict.over_budget
    }
}

/// One index, before and after, and the statement behind the change.
#[derive(Debug, Clone)]
pub struct IndexEntry {
    /// What became of it.
    pub change: IndexChange,
    /// Who did it.
    pub statement: Option<usize>,
}

/// Values that are gone once the migration ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destroyed {
    /// Qualified name of the table, or of the column.
    pub object: String,
    /// The table it is or was in.
    pub table: String,
    /// `column`, `table`, `deleted rows` or `truncated rows`.
    pub what: &'static str,
    /// Non-null values, or rows.
    pub rows: u64,
    /// The statement that did it.
    pub statement: Option<usize>,
}

/// One whole run.
#[derive(Debug)]
pub struct Rehearsal {
    /// Wall clock at the start.
    pub started_at: jiff::Timestamp,
    /// The same moment for measuring.
    pub started: Instant,
    /// Every pass that was asked for came to its end.
    pub complete: bool,
    /// The copy's server version.
    pub engine_version: String,
    /// Planner and memory settings the plans were made under.
    pub engine_settings: BTreeMap<String, String>,
    /// What confines the migration, where it is really in force.
    pub confinement: Vec<Confinement>,
    /// The role migrations ran as.
    pub role: String,
    /// Where the data came from.
    pub source: Option<SourceFacts>,
    /// In the order they were considered.
    pub passes: Vec<Pass>,
    /// What is pending.
    pub migrations: Vec<Migration>,
    /// What people should know about what is pending.
    pub notes: Vec<String>,
    /// Applied files that were edited since: version and file.
    pub edited: Vec<(String, String)>,
    /// The registered hot queries.
    pub queries: Vec<HotQuery>,
    /// One for each statement that was sent.
    pub observations: Vec<Observation>,
    /// Statements whose effect is committed.
    pub committed: Vec<usize>,
    /// Migrations applied as a whole.
    pub applied: usize,
    /// What ended the run.
    pub failure: Option<Failure>,
    /// Rows that keep the failing statement from running.
    pub violators: Option<Violators>,
    /// Before the migration.
    pub before: Option<Snapshot>,
    /// Right after its last statement.
    pub right_after: Option<Snapshot>,
    /// After VACUUM and repair of lost statistics.
    pub settled: Option<Snapshot>,
    /// Schema before against after.
    pub changes: Vec<CatalogChange>,
    /// Plans before against after.
    pub plans: Vec<PlanChange>,
    /// Indexes before against after.
    pub indexes: Vec<IndexEntry>,
    /// Data that is gone.
    pub destroyed: Vec<Destroyed>,
    /// The way back.
    pub rollback: Option<Rollback>,
    /// Hides values of user data.
    pub redactor: Redactor,
}

impl Rehearsal {
    /// Nothing measured yet.
    pub fn new(redactor: Redactor, queries: Vec<HotQuery>) -> Self {
        Self {
            started_at: jiff::Timestamp::now(),
            started: Instant::now(),
            complete: false,
            engine_version: String::new(),
            engine_settings: BTreeMap::new(),
            confinement: Vec::new(),
            role: String::new(),
            source: None,
            passes: Vec::new(),
            migrations: Vec::new(),
            notes: Vec::new(),
            edited: Vec::new(),
            queries,
            observations: Vec::new(),
            committed: Vec::new(),
            applied: 0,
            failure: None,
            violators: None,
            before: None,
            right_after: None,
            settled: None,
            changes: Vec::new(),
            plans: Vec::new(),
            indexes: Vec::new(),
            destroyed: Vec::new(),
            rollback: None,
            redactor,
        }
    }

    /// What was measured for a statement, if it ran.
    pub fn observation(&self, statement: usize) -> Option<&Observation> {
        self.observations.iter().find(|observation| observation.statement == statement)
    }

    /// A pending statement.
    pub fn statement(&self, index: usize) -> Option<&Statement> {
        self.migrations.iter().flat_map(|migration| &migration.statements).find(|each| each.index == index)
    }

    /// A pending statement's text.
    pub fn sql(&self, index: usize) -> Option<&str> {
        self.statement(index).map(Statement::sql)
    }

    /// The migration a statement belongs to.
    pub fn migration_of(&self, statement: usize) -> Option<&Migration> {
        self.migrations.iter().find(|migration| migration.statements.iter().any(|each| each.index == statement))
    }

    /// Whether a pass came to its end.
    pub fn ran(&self, pass: PassName) -> bool {
        self.passes.iter().any(|each| each.name == pass && each.ran)
    }

    /// Rows a relation had before, as the statistics count them; partitions are added up.
    pub fn rows_before(&self, relation: Oid) -> u64 {
        let Some(before) = &self.before else { return 0 };
        let own = before.sizes.get(&relation).and_then(|size| size.rows).map_or(0, |rows| rows.max(0.0) as u64);
        let children =
            before.catalog.relations.values().filter(|each| each.is_partition && each.parent == Some(relation));
        own.max(children.map(|child| self.rows_before(child.oid)).sum())
    }

    /// Rows a relation had before, by its qualified name.
    pub fn rows_of(&self, qualified: &str) -> u64 {
        let relation = self.before.iter().flat_map(|before| before.catalog.relations.values());
        relation.into_iter().find(|each| each.qualified == qualified).map_or(0, |each| self.rows_before(each.oid))
    }

    /// Indexes a hot query used once settled: name and table.
    pub fn indexes_used_after<'a>(&'a self, query: &'a str) -> impl Iterator<Item = (String, String)> + 'a {
        self.settled
            .iter()
            .flat_map(|settled| &settled.plans)
            .filter(move |capture| capture.key.query == query)
            .filter_map(|capture| capture.captured.plan())
            .flat_map(|plan| plan.indexes())
            .map(|used| (used.index.qualified(), used.relation.qualified()))
    }

    /// Whether the relation is an index, before or after.
    pub fn is_index(&self, relation: Oid) -> bool {
        use crate::snapshot::catalog::RelationKind::{Index, PartitionedIndex};
        self.kind_of(relation).is_some_and(|kind| matches!(kind, Index | PartitionedIndex))
    }

    /// Whether the relation is a table, before or after.
    pub fn is_table(&self, relation: Oid) -> bool {
        use crate::snapshot::catalog::RelationKind::{PartitionedTable, Table};
        self.kind_of(relation).is_some_and(|kind| matches!(kind, Table | PartitionedTable))
    }

    fn kind_of(&self, relation: Oid) -> Option<crate::snapshot::catalog::RelationKind> {
        [&self.before, &self.right_after]
            .into_iter()
            .flatten()
            .find_map(|snapshot| snapshot.catalog.relations.get(&relation))
            .map(|relation| relation.kind)
    }
}

/// What a run works with.
pub struct Plan<'run> {
    /// Resolved options.
    pub settings: &'run Settings,
    /// Migrations on disk, as each layout that could be theirs reads them; never empty.
    pub trees: Vec<MigrationTree>,
    /// What git says is new, if that was asked.
    pub changed: Option<Changed>,
    /// The source restored once.
    pub base: Base,
    /// Where copies live.
    pub run: &'run RunDir,
    /// Roles on every copy.
    pub roles: Roles,
    /// For people.
    pub progress: Progress,
    /// When the budget of time is spent.
    pub deadline: Option<Instant>,
}

/// A run once it is known what is pending: where copies come from, as the runner finds them when it begins.
pub(crate) struct Ready<'run> {
    plan: &'run Plan<'run>,
    /// What the runner sends before anything else: its history table is no part of what is rehearsed.
    setup: Vec<String>,
    /// Pending, but not what is rehearsed: applied first.
    earlier: Vec<Migration>,
}

impl<'run> std::ops::Deref for Ready<'run> {
    type Target = Plan<'run>;

    fn deref(&self) -> &Plan<'run> {
        self.plan
    }
}

impl Ready<'_> {
    /// A fresh copy as the runner finds it when it begins with what is rehearsed.
    async fn copy(&self) -> Result<ScratchDatabase, RehearsalError> {
        let copy = self.plan.bare_copy().await?;
        self.set_up(&copy).await?;
        Ok(copy)
    }

    async fn set_up(&self, copy: &ScratchDatabase) -> Result<(), RehearsalError> {
        let mut session = copy.target.session("migration").await?;
        for setup in &self.setup {
            session.execute(setup).await?;
        }
        session.close().await;
        let applied = apply(&copy.target, &self.earlier, None, &mut Unwatched).await?;
        match applied.failure {
            None => Ok(()),
            Some(failure) => {
                let stopped = self.earlier.get(applied.migrations);
                let version = stopped.map_or_else(String::new, |migration| migration.version.clone());
                Err(RehearsalError::Earlier { version, error: failure.error })
            }
        }
    }
}

impl Plan<'_> {
    async fn bare_copy(&self) -> Result<ScratchDatabase, RehearsalError> {
        Ok(ScratchDatabase::create(&self.base, self.run, &self.roles).await?)
    }
}

/// Runs every pass, one copy at a time. What was measured until an error stays in `rehearsal`.
///
/// # Errors
/// See [`RehearsalError`]. A migration that fails is not one.
pub async fn rehearse(plan: &Plan<'_>, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let wanted = Wanted::new(&plan.settings.passes);

    let copy = plan.bare_copy().await?;
    rehearsal.role.clone_from(&copy.target.role);
    if let Some(source) = &mut rehearsal.source {
        source.fidelity_notes.extend(copy.notes.iter().cloned());
    }
    let (tree, rows) = choose_tree(plan, &copy).await?;
    let pending = pending(plan, &tree, rows.as_deref(), rehearsal)?;
    let create_history = tree.create_history.iter().filter(|_| rows.is_none());
    let ready =
        Ready { plan, setup: tree.setup.iter().chain(create_history).cloned().collect(), earlier: pending.earlier };
    ready.set_up(&copy).await?;
    rehearsal.edited = pending.edited.iter().map(|edited| (edited.version.clone(), edited.file.name.clone())).collect();
    rehearsal.migrations = up_to(pending.migrations, plan.settings.to.as_deref())?;
    rehearsal.notes = pending.notes;
    plan.progress.say(&announce(&tree, rehearsal));
    for note in &rehearsal.notes {
        plan.progress.say(&format!("  {note}"));
    }
    if rehearsal.migrations.is_empty() {
        copy.destroy().await?;
        rehearsal.complete = true;
        return Ok(());
    }
    let plan = &ready;

    if wanted.measure {
        timed(plan, rehearsal, PassName::Measure, async |each| passes::measure(plan, copy, each).await).await?;
        if rehearsal.failure.is_some() {
            passes::count_violators(plan, rehearsal).await?;
        }
    } else {
        copy.destroy().await?;
        skip(rehearsal, PassName::Measure, "not asked for (--passes)");
    }

    if !wanted.prove {
        skip(rehearsal, PassName::Prove, "not asked for (--passes)");
    } else if rehearsal.before.is_none() {
        skip(rehearsal, PassName::Prove, "needs the measure pass");
    } else {
        let proved = timed(plan, rehearsal, PassName::Prove, async |each| passes::prove(plan, each).await).await;
        budget_only(plan, proved)?;
    }

    if wanted.attribute == Some(false) {
        skip(rehearsal, PassName::Attribute, "not asked for (--passes)");
    } else if !rehearsal.plans.iter().any(|change| change.needs_cause()) {
        skip(rehearsal, PassName::Attribute, "no plan changed");
    } else {
        let blamed =
            timed(plan, rehearsal, PassName::Attribute, async |each| passes::attribute(plan, each).await).await;
        budget_only(plan, blamed)?;
    }

    rehearsal.complete = !rehearsal.passes.iter().any(|pass| pass.crashed);
    Ok(())
}

/// Passes asked for.
struct Wanted {
    measure: bool,
    prove: bool,
    /// `None`: when a plan changed.
    attribute: Option<bool>,
}

impl Wanted {
    fn new(passes: &[String]) -> Self {
        let named = |name: &str| passes.iter().any(|pass| pass == name || pass == "all");
        if passes.is_empty() {
            return Self { measure: true, prove: true, attribute: None };
        }
        // Everything else compares with what the measured run saw.
        Self { measure: true, prove: named("prove"), attribute: Some(named("attribute")) }
    }
}

/// The one of the trees whose history the copy has, with that history's rows. A single tree needs no history.
async fn choose_tree(
    plan: &Plan<'_>,
    copy: &ScratchDatabase,
) -> Result<(MigrationTree, Option<Vec<Row>>), RehearsalError> {
    // As the migration's role sees it: the history table is found along its search path.
    let mut session = copy.target.session("history").await?;
    let several = plan.trees.len() > 1;
    let mut found = Vec::new();
    for tree in &plan.trees {
        let Some((table, shape)) = &tree.history else { continue };
        let tables = history::parse_found(&session.query(&history::find_query(table)).await?.rows)?;
        // Another tool's table only speaks against this one when nobody else can be meant.
        let chosen = if several {
            shape.choose(tree.layout, &tables).unwrap_or(None)
        } else {
            shape.choose(tree.layout, &tables)?
        };
        if let Some(chosen) = chosen {
            found.push((tree.clone(), *shape, chosen.clone()));
        }
    }
    let chosen = match (found.len(), plan.trees.as_slice()) {
        (1, _) => {
            let (mut tree, shape, table) = found.remove(0);
            let rows = session.query(&shape.rows_query(&table.name)).await?.rows;
            if !table.visible {
                tree.notes.push(format!("history read from {}, which is not on the search path", table.name));
                tree.history = Some((table.name, shape));
            }
            if several {
                tree.detected = Some(format!("its history is in {}", tree.history_table()));
            }
            (tree, Some(rows))
        }
        (0, [only]) => (only.clone(), None),
        _ => {
            let names = plan.trees.iter().map(|tree| (tree.layout, tree.detected.as_deref().unwrap_or_default()));
            let path = plan.settings.migrations.first().cloned().unwrap_or_default();
            return Err(detect::ambiguous(&path, names).into());
        }
    };
    session.close().await;
    Ok(chosen)
}

/// What the runner would run now, by the history on the copy.
fn pending(
    plan: &Plan<'_>,
    tree: &MigrationTree,
    rows: Option<&[Row]>,
    rehearsal: &Rehearsal,
) -> Result<Pending, RehearsalError> {
    let empty = rehearsal.source.as_ref().is_some_and(|source| source.kind == SourceKind::Empty);
    if tree.directory_given && rows.is_none() && !empty && plan.changed.is_none() {
        let directory = plan.settings.migrations.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        return Err(RehearsalError::NoHistory { directory: directory.join(" ") });
    }
    Ok(history::pending(tree, rows, plan.changed.as_ref())?)
}

fn up_to(mut migrations: Vec<Migration>, to: Option<&str>) -> Result<Vec<Migration>, RehearsalError> {
    let Some(version) = to else { return Ok(migrations) };
    // A version whose file runs in several transactions counts as a whole.
    match migrations.iter().rposition(|migration| migration.version == version) {
        Some(last) => {
            migrations.truncate(last + 1);
            Ok(migrations)
        }
        None => Err(RehearsalError::UnknownVersion {
            version: version.to_owned(),
            pending: migrations.iter().map(|migration| migration.version.as_str()).collect::<Vec<_>>().join(", "),
        }),
    }
}

fn announce(tree: &MigrationTree, rehearsal: &Rehearsal) -> String {
    let why = tree.detected.as_deref().map_or_else(String::new, |why| format!(" ({why})"));
    let statements: usize = rehearsal.migrations.iter().map(|migration| migration.statements.len()).sum();
    let other = if tree.detected.is_some() { "; override with `layout =`" } else { "" };
    format!(
        "layout {}{why}: {}, {} pending with {}{other}",
        tree.layout,
        human::plural(tree.files.len(), "file"),
        rehearsal.migrations.len(),
        human::plural(statements, "statement"),
    )
}

/// Runs a pass under the budget and notes how long it took.
async fn timed(
    plan: &Ready<'_>,
    rehearsal: &mut Rehearsal,
    name: PassName,
    pass: impl AsyncFnOnce(&mut Rehearsal) -> Result<(), RehearsalError>,
) -> Result<(), RehearsalError> {
    plan.progress.say(&format!("{} …", name.name()));
    let started = Instant::now();
    // Dropping the pass drops its copy, and with it the server and whatever runs there.
    let left = plan.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(started));
    let result = match tokio::time::timeout(left, pass(rehearsal)).await {
        Ok(result) => result,
        Err(_) => Err(RehearsalError::OutOfTime),
    };
    rehearsal.passes.push(Pass {
        name,
        ran: result.is_ok(),
        reason: result.as_ref().err().map(ToString::to_string),
        crashed: result.as_ref().is_err_and(|error| !matches!(error, RehearsalError::OutOfTime)),
        duration_ms: started.elapsed().as_secs_f64() * 1000.0,
    });
    result
}

/// A pass after the measured one that breaks leaves its answer unknown and says so; only a spent budget ends the run.
fn budget_only(plan: &Ready<'_>, result: Result<(), RehearsalError>) -> Result<(), RehearsalError> {
    match result {
        Err(error @ RehearsalError::OutOfTime) => Err(error),
        Err(error) => {
            plan.progress.say(&format!("this pass broke off: {error}"));
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn skip(rehearsal: &mut Rehearsal, name: PassName, reason: &str) {
    rehearsal.passes.push(Pass { name, ran: false, reason: Some(reason.to_owned()), crashed: false, duration_ms: 0.0 });
}
