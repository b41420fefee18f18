//! The prove pass: writes the scripts for everything that was applied, and for each migration of it, and has them proven.

use super::super::course::tellable;
use super::super::{cause, prove};
use super::{Before, Begun, set_up};
use crate::copy::sqlite::base::Base;
use crate::copy::sqlite::scratch::Scratch;
use crate::copy::state::RunDir;
use crate::diff::catalog::CatalogChange;
use crate::engine::ServerError;
use crate::engine::sqlite::apply::{Target, Unwatched, Watch, apply};
use crate::engine::sqlite::connection::{self, Purpose, Stop};
use crate::engine::sqlite::worker;
use crate::migration::{Migration, Statement, TransactionMode};
use crate::progress::Activity;
use crate::rehearsal::{Destroyed, EmbeddedFacts, Rehearsal, RehearsalError};
use crate::rollback::generate::ChangedTable;
use crate::rollback::origin::Origin;
use crate::rollback::prove::DownProof;
use crate::rollback::sqlite::prove::{ProofCopy, ProofGround, Step, prove_each, write_and_prove};
use crate::rollback::sqlite::{BACKUP, Input, generate};
use crate::rollback::{Rollback, RollbackError};
use crate::snapshot::Oid;
use crate::snapshot::catalog::{RelationKind, qualify_column};
use crate::snapshot::sqlite::catalog::catalog;
use crate::snapshot::sqlite::identity::Identities;
use crate::snapshot::sqlite::{Schema, quote};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Counts what goes, writes the scripts, then runs them: is everything as before?
pub(super) async fn prove(begun: &Begun<'_>, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let copy = begun.fresh().await?;
    count_destroyed(&copy, rehearsal).await?;
    drop(copy);
    let Some(told) = Told::of(rehearsal) else { return Ok(()) };
    let ground = Ground {
        base: begun.plan.base.clone(),
        run: begun.plan.run.clone(),
        activity: begun.plan.activity.clone(),
        before: Arc::clone(&begun.before),
        foreign_keys: (begun.plan.settings.sqlite.foreign_keys, told.facts.foreign_keys),
        migrations: Arc::new(rehearsal.migrations.clone()),
        show_values: begun.plan.settings.show_values,
        stop: Stop::default(),
        copied: Vec::new(),
    };
    if told.steps.len() > 1 {
        begun.plan.progress.say("all migrations together, then each by itself …");
    }
    let proven = worker::run(move |stop| run(Ground { stop: stop.clone(), ..ground }, &told)).await?;
    for took in proven.copied {
        begun.plan.budget.copied(took);
    }
    rehearsal.rollback = Some(proven.whole);
    rehearsal.rollbacks = proven.each;
    let downs = prove::applied(rehearsal).iter().map(|migration| migration.down.as_ref().map(|_| not_run()));
    rehearsal.downs = downs.collect();
    Ok(())
}

/// Of a hand-written down script.
fn not_run() -> DownProof {
    DownProof::not_run("down scripts are run on PostgreSQL alone".to_owned())
}

struct Proven {
    whole: Rollback,
    each: Vec<Rollback>,
    copied: Vec<Duration>,
}

fn run(mut ground: Ground, told: &Told) -> Result<Proven, RehearsalError> {
    let facts = &told.facts;
    let write = |doubted: &std::collections::BTreeSet<String>| {
        generate(&Input {
            before: &facts.before,
            after: &facts.after,
            before_ids: &facts.numbers_before,
            after_ids: &facts.numbers_after,
            statistics: (&facts.statistics_tables.0, &facts.statistics_tables.1),
            changed: &told.changed,
            history: &told.history,
            statements: &told.statements,
            title: &told.title,
            backup_schema: BACKUP,
            origins: &told.origins,
            foreign_keys: facts.foreign_keys,
            doubted,
        })
    };
    let (scripts, proof) = write_and_prove(&mut ground, write)?;
    let whole = Rollback { scripts, proof: Some(proof), reason: None };
    let each = match told.steps.len() {
        0 => Vec::new(),
        1 if told.alone => vec![whole.clone()],
        count => prove_each(&mut ground, count, |index| told.steps.get(index).cloned().unwrap_or_default())?,
    };
    Ok(Proven { whole, each, copied: ground.copied })
}

/// What the measured run saw, as far as the scripts are made of it.
struct Told {
    facts: EmbeddedFacts,
    changed: Vec<ChangedTable>,
    history: Vec<String>,
    statements: Vec<String>,
    origins: Vec<Origin>,
    title: String,
    /// Of each migration that was applied as a whole.
    steps: Vec<Step>,
    /// One migration, and nothing failed: what undoes it undoes all.
    alone: bool,
}

impl Told {
    fn of(rehearsal: &Rehearsal) -> Option<Self> {
        let (facts, before) = (rehearsal.embedded.clone()?, rehearsal.before.as_ref()?);
        let applied = prove::applied(rehearsal);
        let all: Vec<&Migration> = rehearsal.migrations.iter().collect();
        let title: Vec<String> = applied.iter().map(prove::title).collect();
        let backups = prove::backup_schemas(&rehearsal.migrations, BACKUP);
        let steps = applied.iter().zip(backups).enumerate().map(|(index, (migration, backup_schema))| {
            let (schema, mut numbers) = facts.at(&rehearsal.migrations, index);
            let (_, after) = facts.at(&rehearsal.migrations, index + 1);
            let catalog = catalog(&schema, &mut numbers);
            Step {
                title: prove::title(migration),
                backup_schema,
                history: prove::history(std::slice::from_ref(migration)),
                changed: prove::changed_tables(rehearsal, &[migration], &catalog),
                statements: prove::committed(rehearsal, &[migration]),
                origins: prove::origins(rehearsal, &[migration]),
                identities: (numbers.clone(), after.rebuilt(&numbers)),
            }
        });
        Some(Self {
            changed: prove::changed_tables(rehearsal, &all, &before.catalog),
            history: prove::history(prove::noted_down(rehearsal)),
            statements: prove::committed(rehearsal, &all),
            origins: prove::origins(rehearsal, &all),
            title: title.join(", "),
            alone: applied.len() == 1 && rehearsal.failure.is_none(),
            steps: steps.collect(),
            facts,
        })
    }
}

impl EmbeddedFacts {
    /// Schema and numbers as the migration of this place, from 0, found them.
    fn at(&self, migrations: &[Migration], index: usize) -> (Schema, Identities) {
        let before = migrations.get(..index).unwrap_or_default();
        let last = before.iter().flat_map(|migration| &migration.statements).map(|each| each.index).max().unwrap_or(0);
        let step = self.steps.iter().rfind(|(statement, ..)| *statement <= last);
        step.map_or_else(
            || (self.before.clone(), self.numbers_before.clone()),
            |(_, schema, numbers)| (schema.clone(), numbers.clone()),
        )
    }
}

/// Where copies for the proof come from, on the thread that proves.
struct Ground {
    base: Base,
    run: RunDir,
    activity: Activity,
    before: Arc<Before>,
    /// As the project says, and as migrations ran.
    foreign_keys: (Option<bool>, bool),
    migrations: Arc<Vec<Migration>>,
    show_values: bool,
    stop: Stop,
    /// What each copy took.
    copied: Vec<Duration>,
}

/// One of them.
struct GroundCopy {
    scratch: Scratch,
    target: Target,
    foreign_keys: bool,
    migrations: Arc<Vec<Migration>>,
    activity: Activity,
    show_values: bool,
    stop: Stop,
}

impl ProofGround for Ground {
    type Copy = GroundCopy;

    fn fresh(&mut self) -> Result<GroundCopy, RollbackError> {
        let started = Instant::now();
        let failed = |error: String| RollbackError::Copy(error);
        let scratch =
            Scratch::create(&self.base, &self.run, &self.activity).map_err(|error| failed(error.to_string()))?;
        self.copied.push(started.elapsed());
        let target = Target { path: scratch.path().to_owned(), foreign_keys: self.foreign_keys.0 };
        set_up(&target, &self.before.setup, &self.stop).map_err(|error| failed(error.to_string()))?;
        apply(&target, &self.before.earlier, None, &self.stop, &mut Unwatched)?;
        Ok(GroundCopy {
            scratch,
            target,
            foreign_keys: self.foreign_keys.1,
            migrations: Arc::clone(&self.migrations),
            activity: self.activity.clone(),
            show_values: self.show_values,
            stop: self.stop.clone(),
        })
    }
}

impl ProofCopy for GroundCopy {
    fn path(&self) -> &Path {
        self.scratch.path()
    }

    fn stop(&self) -> Stop {
        self.stop.clone()
    }

    fn foreign_keys(&self) -> bool {
        self.foreign_keys
    }

    fn migrate(&self) -> Result<(), ServerError> {
        // A migration that fails leaves what it leaves: that is the state to come back from.
        apply(&self.target, &self.migrations, None, &self.stop, &mut Telling(&self.activity)).map(|_| ())
    }

    fn apply_one(&self, index: usize) -> Result<Result<(), String>, ServerError> {
        let Some(mut migration) = self.migrations.get(index).cloned() else { return Ok(Ok(())) };
        // Runners that take everything pending in one transaction do the same with one.
        if migration.transaction == TransactionMode::AllPending {
            migration.transaction = TransactionMode::PerMigration;
        }
        let applied = apply(&self.target, &[migration], None, &self.stop, &mut Telling(&self.activity))?;
        let refused = |failure| Err(tellable(self.show_values, &self.migrations, failure));
        Ok(applied.failure.map_or(Ok(()), refused))
    }

    fn destroy(self) -> Result<(), RollbackError> {
        drop(self.scratch);
        Ok(())
    }
}

/// Says which statement runs, and watches nothing.
struct Telling<'a>(&'a Activity);

impl Watch for Telling<'_> {
    fn before(&mut self, _: &Connection, statement: &Statement) -> Result<(), ServerError> {
        self.0.begin(statement.index, statement.place());
        Ok(())
    }

    fn after(
        &mut self,
        _: &Connection,
        _: &Statement,
        _: &crate::engine::sqlite::apply::Ran<'_>,
    ) -> Result<(), ServerError> {
        self.0.end();
        Ok(())
    }
}

/// Counts what the migration takes away, on a copy it has not touched.
async fn count_destroyed(copy: &Scratch, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let mut asked = Vec::new();
    for change in &rehearsal.changes {
        match change {
            CatalogChange::RelationDropped { relation, name, kind: RelationKind::Table, replaced: false } => {
                asked.push((*relation, name.clone(), None));
            }
            // A view's columns hold nothing of their own.
            CatalogChange::ColumnDropped { relation, table, column, .. } if rehearsal.is_table(*relation) => {
                asked.push((*relation, table.clone(), Some(column.clone())));
            }
            _ => {}
        }
    }
    let names: BTreeMap<Oid, String> = rehearsal
        .before
        .iter()
        .flat_map(|before| before.catalog.relations.values())
        .map(|relation| (relation.oid, relation.name.clone()))
        .collect();
    let (path, questions) = (copy.path().to_owned(), asked.clone());
    let counted = worker::run(move |stop| {
        let connection = connection::open(&path, Purpose::Observer, stop)?;
        let mut counted = Vec::new();
        for (relation, _, column) in questions {
            let Some(name) = names.get(&relation) else { continue };
            let what = column.as_deref().map_or_else(|| "*".to_owned(), quote);
            let sql = format!("SELECT count({what}) FROM main.{}", quote(name));
            let rows = connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map_err(ServerError::from)?;
            counted.push(rows.unsigned_abs());
        }
        Ok::<_, RehearsalError>(counted)
    });
    let mut found = Vec::new();
    for ((relation, table, column), rows) in asked.into_iter().zip(counted.await?) {
        let bare = table.rsplit('.').next().unwrap_or(&table).trim_matches('"').to_owned();
        let named = column.clone().unwrap_or(bare);
        found.push(Destroyed {
            object: column.as_ref().map_or_else(|| table.clone(), |column| qualify_column(&table, column)),
            what: if column.is_some() { "column" } else { "table" },
            rows,
            statement: cause::statement_for(rehearsal, Some(relation), &[&named]),
            table,
        });
    }
    for observation in rehearsal.observations.iter().filter(|each| rehearsal.committed.contains(&each.statement)) {
        found.extend(observation.deleted.iter().filter(|work| !work.created_in_run).map(|work| Destroyed {
            object: work.name.clone(),
            table: work.table.clone(),
            what: "deleted rows",
            rows: work.rows,
            statement: Some(observation.statement),
        }));
    }
    rehearsal.destroyed = found;
    Ok(())
}
