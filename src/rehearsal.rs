//! One whole run, from what is pending to what was proven: [`rehearse`] reads from top to bottom, and [`Rehearsal`] is
//! the value every check and every report looks at.

pub(crate) mod answers;
mod attribute;
mod beside;
pub mod budget;
mod calibrate;
pub(crate) mod cause;
pub mod command;
mod compare;
mod confinement;
mod course;
pub(crate) mod cut_short;
mod doubt;
mod draw;
pub mod embedded;
mod engine;
pub(crate) mod foreign;
mod ground;
mod needs;
mod on_request;
mod parts;
mod passes;
mod pending;
mod postgres;
mod prefixes;
mod production;
mod prove;
mod reached;
mod ready;
pub(crate) mod retry;
mod safer;
mod sample;
mod schedule;
mod sizes;
pub(crate) mod story;
pub(crate) mod timing;
mod trials;
mod wanted;
mod watchdog;
pub(crate) mod writes;

pub use course::Course;
pub use engine::{Engine, Passes};
pub use parts::{BEFORE_ITS_BASE, Cause, Destroyed, EmbeddedFacts, IndexEntry, Pass, PlanChange, SourceFacts};
pub(crate) use ready::Ready;

use crate::copy::base::Base;
use crate::copy::scratch::{Roles, ScratchDatabase, ScratchError};
use crate::copy::sqlite::base::SqliteBaseError;
use crate::copy::url::SecretUrl;
use crate::diff::catalog::CatalogChange;
use crate::diff::plan::SelfTest;
use crate::diff::plan::calibration::Calibration;
use crate::engine::ServerError;
use crate::engine::postgres::apply::Failure;
use crate::engine::postgres::settle::RepairedColumn;
use crate::engine::postgres::violators::Violators;
use crate::migration::MigrationError;
use crate::migration::{Migration, Statement};
use crate::observation::Observation;
use crate::observation::traffic::Traffic;
use crate::report::redact::Redactor;
use crate::report::v1::{Confinement, EngineName, PassName};
use crate::rollback::Rollback;
use crate::rollback::prove::DownProof;
use crate::snapshot::plan::PlanCapture;
use crate::snapshot::{Oid, Snapshot};
use crate::suggest::Suggestion;
use crate::workload::HotQuery;
use budget::VIOLATORS;
use schedule::{NOT_ASKED_FOR, budget_only, skip, timed, within_time};
use std::collections::BTreeMap;
use std::time::Instant;
use thiserror::Error;
use wanted::Wanted;

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
    /// The runner could not make its history table.
    #[error(
        "the role {role} cannot prepare the migration tool's history ({error}): name the role that runs migrations with --role, its search path with --schema"
    )]
    History {
        /// As whom it was tried.
        role: String,
        /// What the server said.
        error: ServerError,
    },
    /// A migration that has to be applied first, since it is pending and not new, does not apply.
    #[error("{version} is pending and not new since --base, so it has to be applied first, and it fails: {error}")]
    Earlier {
        /// The runner's version.
        version: String,
        /// What the server said, as it may be told.
        error: String,
    },
    /// A copy cannot be made.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// A copy of an SQLite database cannot be made.
    #[error(transparent)]
    Sqlite(#[from] SqliteBaseError),
    /// The project's own tool would need a server to connect to.
    #[error("a `command` is rehearsed on PostgreSQL alone: name the migration files, or leave `command` out")]
    NoCommand,
    /// A server refuses what the tool itself asks.
    #[error("the copy's server {did}: {0}{advice}", did = if .0.is_outage() { "failed" } else { "refused" }, advice = .0.advice())]
    Server(#[from] ServerError),
    /// The rollback scripts cannot be made or run.
    #[error(transparent)]
    Rollback(#[from] crate::rollback::RollbackError),
    /// What ran on the measured copy does not on another.
    #[error("statement {statement} ran on the measured copy and fails on another one ({code})")]
    NotAgain {
        /// Its index.
        statement: usize,
        /// The engine's own code of what it said ([`ServerError::code`]).
        code: String,
    },
    /// Not even the first pass fits.
    #[error(
        "there is no room for a copy: {why}. Free some space (seatrial clean), give --cache-dir on a bigger disk, or raise --max-disk"
    )]
    NoRoom {
        /// With the numbers.
        why: String,
    },
    /// The project's command cannot be rehearsed.
    #[error(transparent)]
    Command(#[from] command::CommandError),
    /// `--max-time` ran out.
    #[error("the budget of time (--max-time) is spent")]
    OutOfTime,
    /// The disk is as full as it may get.
    #[error("the budget of disk is spent: {why}")]
    OutOfDisk {
        /// With the numbers.
        why: String,
    },
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
    /// What it runs on.
    pub engine: EngineName,
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
    /// The pass that runs now, and since when.
    pub under_way: Option<(PassName, Instant)>,
    /// What is pending.
    pub migrations: Vec<Migration>,
    /// What people should know about what is pending; the layout comes first.
    pub notes: Vec<String>,
    /// What people should know about how hot queries were measured.
    pub query_notes: Vec<String>,
    /// Applied files that were edited since: version and file.
    pub edited: Vec<(String, String)>,
    /// The registered hot queries.
    pub queries: Vec<HotQuery>,
    /// One for each statement that was sent.
    pub observations: Vec<Observation>,
    /// Statements whose effect is committed.
    pub committed: Vec<usize>,
    /// The last statement of each transaction that was committed.
    pub commits: Vec<usize>,
    /// Migrations applied as a whole.
    pub applied: usize,
    /// What ended the run.
    pub failure: Option<Failure>,
    /// Rows that keep the failing statement from running.
    pub violators: Option<Violators>,
    /// Before the migration.
    pub before: Option<Snapshot>,
    /// The hot queries once more, before anything was changed: what differs is not the migration's doing.
    pub again: Vec<PlanCapture>,
    /// How far the source plans the hot queries as the copy did.
    pub calibration: Calibration,
    /// Right after its last statement.
    pub right_after: Option<Snapshot>,
    /// Hot queries that were worse off right after it, after VACUUM alone.
    pub vacuumed: Vec<PlanCapture>,
    /// Columns that had lost their statistics, or are new.
    pub repaired: Vec<RepairedColumn>,
    /// Tables, by qualified name, that autovacuum of a server of others worked on meanwhile.
    pub disturbed: Vec<String>,
    /// Hot queries whose plan changed, planned under fresh samples of their tables: without the migration, and with it.
    pub samples: (Vec<Vec<PlanCapture>>, Vec<Vec<PlanCapture>>),
    /// After VACUUM and repair of lost statistics.
    pub settled: Option<Snapshot>,
    /// Schema before against after.
    pub changes: Vec<CatalogChange>,
    /// Plans before against after.
    pub plans: Vec<PlanChange>,
    /// Indexes before against after.
    pub indexes: Vec<IndexEntry>,
    /// What hot queries that write pay; empty unless asked for.
    pub writes: Vec<writes::WriteCost>,
    /// The time of hot queries that changed; empty unless asked for.
    pub times: Vec<timing::QueryTime>,
    /// What hot queries felt beside the migration; `None` unless asked for.
    pub traffic: Option<Traffic>,
    /// The same where transactions were open on its tables.
    pub queue: Option<Traffic>,
    /// Second runs after one that stopped half-way; empty unless asked for.
    pub retries: Vec<retry::Retry>,
    /// Safer forms that were rehearsed and hold; empty unless asked for.
    pub safer: Vec<Suggestion>,
    /// Data that is gone.
    pub destroyed: Vec<Destroyed>,
    /// The way back.
    pub rollback: Option<Rollback>,
    /// The way back of each migration that was applied as a whole, in their order; empty when it was not proven.
    pub rollbacks: Vec<Rollback>,
    /// What the hand-written down scripts of the same migrations bring back, where there are any; empty when none was run.
    pub downs: Vec<Option<DownProof>>,
    /// What only an embedded engine tells.
    pub embedded: Option<EmbeddedFacts>,
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
            engine: EngineName::Postgresql,
            engine_version: String::new(),
            engine_settings: BTreeMap::new(),
            confinement: Vec::new(),
            role: String::new(),
            source: None,
            passes: Vec::new(),
            under_way: None,
            migrations: Vec::new(),
            notes: Vec::new(),
            query_notes: Vec::new(),
            edited: Vec::new(),
            queries,
            observations: Vec::new(),
            committed: Vec::new(),
            commits: Vec::new(),
            applied: 0,
            failure: None,
            violators: None,
            before: None,
            again: Vec::new(),
            calibration: Calibration::default(),
            right_after: None,
            vacuumed: Vec::new(),
            repaired: Vec::new(),
            disturbed: Vec::new(),
            samples: (Vec::new(), Vec::new()),
            settled: None,
            changes: Vec::new(),
            plans: Vec::new(),
            indexes: Vec::new(),
            writes: Vec::new(),
            times: Vec::new(),
            traffic: None,
            queue: None,
            retries: Vec::new(),
            safer: Vec::new(),
            destroyed: Vec::new(),
            rollback: None,
            rollbacks: Vec::new(),
            downs: Vec::new(),
            embedded: None,
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

    /// What capturing the same state twice showed.
    pub fn self_test(&self) -> SelfTest {
        let before = self.before.as_ref();
        before.map_or_else(SelfTest::default, |before| SelfTest::of(before, &self.again, &Default::default()))
    }

    /// Whether a pass came to its end.
    pub fn ran(&self, pass: PassName) -> bool {
        self.passes.iter().any(|each| each.name == pass && each.ran)
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

/// What a PostgreSQL run works with, besides its [`Course`].
pub struct Plan<'run> {
    /// What every engine's run works with.
    pub course: Course<'run>,
    /// The source restored once.
    pub base: Base,
    /// The source, where it is a running server that may be asked.
    pub origin: Option<SecretUrl>,
    /// Roles on every copy.
    pub roles: Roles,
}

impl<'run> std::ops::Deref for Plan<'run> {
    type Target = Course<'run>;

    fn deref(&self) -> &Course<'run> {
        &self.course
    }
}

impl Plan<'_> {
    async fn bare_copy(&self) -> Result<ScratchDatabase, RehearsalError> {
        self.bare_copy_with(&[]).await
    }

    /// With server settings of its own, by name and value.
    async fn bare_copy_with(&self, settings: &[(&str, &str)]) -> Result<ScratchDatabase, RehearsalError> {
        let started = Instant::now();
        let copy = ScratchDatabase::create_with(&self.base, self.run, &self.roles, settings).await?;
        self.budget.copied(started.elapsed());
        Ok(copy)
    }
}

/// Runs every pass, one copy at a time. What was measured until an error stays in `rehearsal`.
///
/// # Errors
/// See [`RehearsalError`]. A migration that fails is not one.
pub async fn rehearse<E: Engine>(engine: &E, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let course = engine.course();
    let wanted = Wanted::new(&course.settings.passes);
    let asked_for: Vec<PassName> =
        wanted.each().into_iter().filter_map(|(pass, wanted)| wanted.then_some(pass)).collect();
    course.budget.room_for_the_first()?;
    course.progress.say(&course.budget.estimate(&asked_for, course.load(), &engine.on_request()));

    let mut passes = engine.begin(rehearsal).await?;
    for note in &rehearsal.notes {
        course.progress.say(note);
    }
    if rehearsal.migrations.is_empty() {
        passes.discard().await?;
        rehearsal.complete = true;
        return Ok(());
    }

    if wanted.measure {
        timed(course, rehearsal, PassName::Measure, async |each| passes.measure(each).await).await?;
        if rehearsal.failure.is_some() {
            match course.budget.too_long(VIOLATORS, rehearsal) {
                Some(why) => course.progress.say(&format!("the rows in its way are not counted: {why}")),
                None => within_time(course, passes.count_violators(rehearsal)).await.or_else(|error| match error {
                    error if error.is_spent_budget() => Ok(()),
                    error => Err(error),
                })?,
            }
        }
    } else {
        passes.discard().await?;
        skip(rehearsal, PassName::Measure, NOT_ASKED_FOR, false);
    }

    if !wanted.prove {
        skip(rehearsal, PassName::Prove, NOT_ASKED_FOR, false);
    } else if rehearsal.before.is_none() {
        skip(rehearsal, PassName::Prove, "needs the measure pass", false);
    } else if let Some(why) = passes.lacking(PassName::Prove) {
        skip(rehearsal, PassName::Prove, &why, false);
    } else if let Some(why) = course.budget.in_the_way(PassName::Prove, rehearsal) {
        skip(rehearsal, PassName::Prove, &why, true);
    } else {
        let proved = timed(course, rehearsal, PassName::Prove, async |each| passes.prove(each).await).await;
        budget_only(course, proved)?;
    }

    if wanted.attribute == Some(false) {
        skip(rehearsal, PassName::Attribute, NOT_ASKED_FOR, false);
    } else if !rehearsal.plans.iter().any(|change| change.needs_cause()) {
        skip(rehearsal, PassName::Attribute, "no plan changed", false);
    } else if let Some(why) = course.budget.in_the_way(PassName::Attribute, rehearsal) {
        skip(rehearsal, PassName::Attribute, &why, true);
    } else {
        let blamed = timed(course, rehearsal, PassName::Attribute, async |each| passes.attribute(each).await).await;
        budget_only(course, blamed)?;
    }

    trials::run(course, &mut passes, rehearsal, &wanted).await?;
    passes.on_request(rehearsal).await;
    rehearsal.complete = !rehearsal.passes.iter().any(|pass| pass.crashed || pass.out_of_budget);
    Ok(())
}
