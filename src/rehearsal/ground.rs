//! Copies for the proof: the same base, the same migrations, applied the same way.

use super::{Ready, Rehearsal, passes};
use crate::copy::kept::Kept;
use crate::copy::scratch::ScratchDatabase;
use crate::engine::ServerError;
use crate::engine::postgres::apply::{Moment, Ran, Watch, apply};
use crate::engine::postgres::explain::CaptureOptions;
use crate::engine::postgres::schema_dump::schema_text;
use crate::engine::postgres::session::Session;
use crate::migration::{Migration, TransactionMode};
use crate::progress::Activity;
use crate::rollback::RollbackError;
use crate::rollback::prove::{DownFailure, ProofCopy, ProofGround};
use crate::snapshot::Snapshot;
use crate::snapshot::catalog::Catalog;
use crate::snapshot::plan::PlanCapture;
use crate::workload::HotQuery;
use std::sync::Arc;

/// Where copies for the proof come from.
pub(super) struct Ground<'run> {
    pub plan: &'run Ready<'run>,
    pub migrations: &'run [Migration],
    /// The hot queries.
    pub queries: &'run [HotQuery],
    /// What an untouched copy's schema is.
    pub before: Option<&'run Arc<Catalog>>,
    /// What the measured copy's was after the migration.
    pub after: Option<&'run Arc<Catalog>>,
    /// A copy that is there already and untouched, and its schema as pg_dump prints it.
    pub first: Option<(ScratchDatabase, String)>,
}

impl<'run> Ground<'run> {
    /// Fresh copies for what was rehearsed.
    pub(super) fn of(plan: &'run Ready<'run>, rehearsal: &'run Rehearsal) -> Self {
        let catalog = |at: &'run Option<Snapshot>| at.as_ref().map(|snapshot| &snapshot.catalog);
        let (before, after) = (catalog(&rehearsal.before), catalog(&rehearsal.right_after));
        Self { plan, migrations: &rehearsal.migrations, queries: &rehearsal.queries, before, after, first: None }
    }
}

/// One of them.
pub(super) struct GroundCopy<'run> {
    plan: &'run Ready<'run>,
    migrations: &'run [Migration],
    queries: &'run [HotQuery],
    before: Option<&'run Arc<Catalog>>,
    after: Option<&'run Arc<Catalog>>,
    copy: ScratchDatabase,
    /// Its schema while it was untouched, where that is known.
    dump: Option<String>,
}

/// The question pg_dump answers.
const SCHEMA: &str = "schema";

/// The schema of a copy nothing was done to yet, as pg_dump prints it.
pub(super) async fn untouched_schema(plan: &Ready<'_>, copy: &ScratchDatabase) -> Result<String, RollbackError> {
    let kept = plan.kept();
    if let Some(known) = kept.get(SCHEMA) {
        return Ok(known);
    }
    let text = schema(plan, copy).await?;
    kept.keep(SCHEMA, &text);
    Ok(text)
}

async fn schema(plan: &Ready<'_>, copy: &ScratchDatabase) -> Result<String, RollbackError> {
    schema_text(&plan.base.binaries, &copy.target.endpoint, &copy.target.database)
        .await
        .map_err(|error| RollbackError::Dump(error.to_string()))
}

impl<'run> ProofGround for Ground<'run> {
    type Copy = GroundCopy<'run>;

    async fn fresh(&mut self) -> Result<Self::Copy, RollbackError> {
        let (copy, dump) = match self.first.take() {
            Some((copy, dump)) => (copy, Some(dump)),
            None => (self.plan.copy().await.map_err(|error| RollbackError::Copy(error.to_string()))?, None),
        };
        let Self { plan, migrations, queries, before, after, .. } = *self;
        Ok(GroundCopy { plan, migrations, queries, before, after, copy, dump })
    }
}

impl ProofCopy for GroundCopy<'_> {
    async fn superuser(&self) -> Result<Session, ServerError> {
        self.copy.superuser("proof").await
    }

    async fn migration_role(&self) -> Result<Session, ServerError> {
        self.copy.target.session("rollback").await
    }

    async fn migrate(&self) -> Result<(), ServerError> {
        // A migration that fails leaves what it leaves: that is the state to come back from.
        apply(&self.copy.target, self.migrations, None, &mut Told(&self.plan.activity)).await.map(|_| ())
    }

    async fn migrate_part(&self, statements: usize) -> Result<(), ServerError> {
        let part = super::prefixes::cut_off(self.migrations, statements);
        apply(&self.copy.target, &part, None, &mut Told(&self.plan.activity)).await.map(|_| ())
    }

    async fn apply_one(&self, index: usize) -> Result<Result<(), String>, ServerError> {
        let Some(mut migration) = self.migrations.get(index).cloned() else { return Ok(Ok(())) };
        // Runners that take everything pending in one transaction do the same with one.
        if migration.transaction == TransactionMode::AllPending {
            migration.transaction = TransactionMode::PerMigration;
        }
        let applied = apply(&self.copy.target, &[migration], None, &mut Told(&self.plan.activity)).await?;
        Ok(applied.failure.map_or(Ok(()), |failure| Err(self.plan.tellable(self.migrations, failure))))
    }

    async fn take_back(&self, index: usize) -> Result<Result<(), DownFailure>, ServerError> {
        let Some(mut down) = self.migrations.get(index).and_then(Migration::way_back) else { return Ok(Ok(())) };
        if down.transaction == TransactionMode::AllPending {
            down.transaction = TransactionMode::PerMigration;
        }
        let run = apply(&self.copy.target, std::slice::from_ref(&down), None, &mut Told(&self.plan.activity)).await?;
        let Some(failure) = run.failure else { return Ok(Ok(())) };
        let statement = failure.statement;
        Ok(Err(DownFailure { statement, error: self.plan.tellable(&[down], failure) }))
    }

    async fn plan(&self) -> Result<Vec<PlanCapture>, ServerError> {
        let queries: Vec<&HotQuery> = self.queries.iter().collect();
        let options = CaptureOptions { run_reads: false, ..passes::options(self.plan) };
        passes::capture(&self.copy, &queries, &options, &self.plan.activity).await
    }

    async fn dump(&self) -> Result<String, RollbackError> {
        schema(self.plan, &self.copy).await
    }

    async fn untouched_dump(&self) -> Result<String, RollbackError> {
        match &self.dump {
            Some(dump) => Ok(dump.clone()),
            None => untouched_schema(self.plan, &self.copy).await,
        }
    }

    fn untouched_catalog(&self) -> Option<Arc<Catalog>> {
        // On a server of others there may have been other roles when the measured copy was read.
        self.before.filter(|_| self.plan.base.is_private()).cloned()
    }

    fn migrated_catalog(&self) -> Option<Arc<Catalog>> {
        self.after.cloned()
    }

    fn kept(&self) -> Kept {
        self.plan.kept()
    }

    async fn destroy(self) -> Result<(), RollbackError> {
        self.copy.destroy().await.map_err(|error| RollbackError::Copy(error.to_string()))
    }
}

/// Says which statement runs, and watches nothing.
struct Told<'run>(&'run Activity);

impl Watch for Told<'_> {
    const WRAPS: bool = false;

    async fn before(&mut self, _: &mut Session, at: Moment<'_>) -> Result<(), ServerError> {
        self.0.begin(at.statement.index, at.statement.place());
        Ok(())
    }

    async fn after(&mut self, _: &mut Session, _: Moment<'_>, _: Ran<'_>) -> Result<(), ServerError> {
        self.0.end();
        Ok(())
    }

    async fn transaction_ended(&mut self, _: &mut Session, _: bool) -> Result<(), ServerError> {
        Ok(())
    }
}
