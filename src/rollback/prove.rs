//! Runs the scripts on fresh copies and compares. What is said about a rollback comes from here and nowhere else.

use super::RollbackError;
use super::fingerprint::{self, Depth, fingerprints};
use super::generate::Scripts;
use super::names::identifier;
use crate::copy::kept::Kept;
use crate::engine::ServerError;
use crate::engine::postgres::catalog;
use crate::engine::postgres::session::Session;
use crate::engine::postgres::session::quote_literal;
use crate::migration::script::split;
use crate::report::redact::Redactor;
use crate::snapshot::catalog::Catalog;
use crate::snapshot::plan::PlanCapture;
use std::collections::BTreeSet;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

mod downs;
mod each;
mod plans;
mod prefixes;
mod proof;
mod state;
mod trusted;
mod without;
mod witness;

pub use downs::{COPIES as DOWN_COPIES, DownFailure, DownProof, prove_downs};
pub use each::{Step, prove_each};
pub use plans::PlanDifferences;
pub(crate) use prefixes::COPIES as PREFIX_COPIES;
pub use prefixes::prove_prefixes;
pub use proof::{Loss, RollbackProof};
use state::{Reader, State};
pub(crate) use trusted::MORE_COPIES;
pub use trusted::{Proven, write_and_prove};

/// A disposable copy to prove on.
pub trait ProofCopy: Sized {
    /// A session of the bootstrap superuser, to look with.
    fn superuser(&self) -> impl Future<Output = Result<Session, ServerError>>;
    /// A session of the role that runs migrations: scripts run as production would run them.
    fn migration_role(&self) -> impl Future<Output = Result<Session, ServerError>>;
    /// Applies everything pending in the runner's mode, as far as it went when it was measured.
    fn migrate(&self) -> impl Future<Output = Result<(), ServerError>>;
    /// Applies the first so many of all pending statements, as a run that is cut off there.
    fn migrate_part(&self, statements: usize) -> impl Future<Output = Result<(), ServerError>>;
    /// Applies one pending migration by itself, counted from 0. The inner error is the migration's, as it may be told.
    fn apply_one(&self, index: usize) -> impl Future<Output = Result<Result<(), String>, ServerError>>;
    /// Runs the hand-written down script of one migration as its runner does, its note about it included. The inner error
    /// is the script's.
    fn take_back(&self, index: usize) -> impl Future<Output = Result<Result<(), DownFailure>, ServerError>>;
    /// Plans the hot queries, without running them. Empty where there are none.
    fn plan(&self) -> impl Future<Output = Result<Vec<PlanCapture>, ServerError>> {
        std::future::ready(Ok(Vec::new()))
    }
    /// `pg_dump --schema-only`, owners and privileges included.
    fn dump(&self) -> impl Future<Output = Result<String, RollbackError>>;
    /// The same of a copy nothing was done to yet.
    fn untouched_dump(&self) -> impl Future<Output = Result<String, RollbackError>> {
        self.dump()
    }
    /// Its schema while nothing was done to it, where somebody has read that of a copy like it.
    fn untouched_catalog(&self) -> Option<Arc<Catalog>> {
        None
    }
    /// Its schema once it is migrated, where somebody has read that of a copy like it: this one may differ all the same.
    fn migrated_catalog(&self) -> Option<Arc<Catalog>> {
        None
    }
    /// What copies like this one answered while nothing was done to them. Nothing where they are not all alike.
    fn kept(&self) -> Kept {
        Kept::nothing()
    }
    /// Removes the copy.
    fn destroy(self) -> impl Future<Output = Result<(), RollbackError>>;
}

/// Where fresh copies come from, all alike.
pub trait ProofGround {
    /// What it gives.
    type Copy: ProofCopy;
    /// A copy nothing was done to.
    fn fresh(&mut self) -> impl Future<Output = Result<Self::Copy, RollbackError>>;
}

/// How thoroughly rows are compared.
#[derive(Debug, Clone, Default)]
pub struct ProveOptions {
    /// Qualified names, before the migration, of the tables whose values are compared; all when none.
    pub tables: Option<BTreeSet<String>>,
    /// The tables the migration may have changed; all of them, written ones too, when none.
    pub touched: Option<Touched>,
}

/// Tables a migration may have changed, by their qualified names before it.
#[derive(Debug, Clone, Default)]
pub struct Touched {
    /// All of them.
    pub tables: BTreeSet<String>,
    /// Those whose rows it wrote or whose files it replaced.
    pub written: BTreeSet<String>,
}

/// Proves a rollback on fresh copies: prepare, migrate, roll back, compare; clean up; migrate again, compare. What
/// would be lost without `prepare.sql` is counted on the way; only where rows differ in spite of it, on one more copy.
///
/// # Errors
/// Only what has nothing to do with the rollback: no copy, a broken connection, no dump. A script that fails is an
/// outcome.
pub async fn prove<G: ProofGround>(
    ground: &mut G,
    scripts: &Scripts,
    options: &ProveOptions,
) -> Result<RollbackProof, RollbackError> {
    let mut proof = RollbackProof::of(scripts);
    let copy = ground.fresh().await?;
    let proven = round_trip(&copy, scripts, options, &mut proof).await;
    copy.destroy().await?;
    proven?;

    let differing: BTreeSet<String> = proof
        .rows
        .iter()
        .flat_map(|rows| rows.tables.keys().cloned())
        .filter(|name| name != fingerprint::LARGE_OBJECTS)
        .collect();
    if !differing.is_empty() {
        let copy = ground.fresh().await?;
        let counted = without_prepare(&copy, scripts, options, &differing, &mut proof).await;
        copy.destroy().await?;
        counted?;
    }
    Ok(proof)
}

async fn round_trip<C: ProofCopy>(
    copy: &C,
    scripts: &Scripts,
    options: &ProveOptions,
    proof: &mut RollbackProof,
) -> Result<(), RollbackError> {
    let mut reader = Reader::of(copy).await?;
    let done = steps(&mut reader, scripts, options, proof).await;
    reader.close().await;
    done
}

async fn steps<C: ProofCopy>(
    reader: &mut Reader<'_, C>,
    scripts: &Scripts,
    options: &ProveOptions,
    proof: &mut RollbackProof,
) -> Result<(), RollbackError> {
    let copy = reader.copy;
    let tables = options.tables.as_ref();
    let before = reader.untouched(tables).await?;
    let planned = plans::before(copy, &mut reader.superuser, &before.catalog).await?;
    let mut witnesses = Vec::new();
    if scripts.saves_rows() {
        let nothing = BTreeSet::new();
        let named = (&*role(copy).await?, "t");
        witnesses = witness::take(&mut reader.superuser, &before.catalog, &scripts.saved, &nothing, named).await?;
    }

    if !prepare(reader, scripts, proof).await? {
        return Ok(());
    }
    copy.migrate().await?;
    let first = reader.outcome().await?;
    check_conditions(copy, &mut reader.superuser, scripts, proof).await?;
    if scripts.saves_rows() {
        without::backup(copy, &mut reader.superuser, scripts, &before, &witnesses, tables, proof).await?;
    }
    let Some(back) = roll_back(reader, scripts, &before, tables, proof).await? else { return Ok(()) };
    if let Some(planned) = planned {
        let (states, changed) = ((&before, &back), (options, scripts));
        proof.plans = Some(plans::after(copy, &mut reader.superuser, &planned, states, changed).await?);
    }
    // As large as a schema is, and compared.
    drop((before, back));
    // As people would: a migration that alters every table it finds has altered the backup as well.
    clean_up(reader, scripts, proof).await?;
    reader.superuser.execute(&format!("DROP SCHEMA IF EXISTS {} CASCADE", catalog::WITNESS_SCHEMA)).await?;
    proof.reapplied = Some(match copy.migrate().await {
        Ok(()) => reader.reapplied(&first).await?,
        Err(error) => vec![format!("it fails: {error}")],
    });
    Ok(())
}

/// Runs `prepare.sql` and weighs the backup; whether it came to its end.
async fn prepare<C: ProofCopy>(
    reader: &mut Reader<'_, C>,
    scripts: &Scripts,
    proof: &mut RollbackProof,
) -> Result<bool, RollbackError> {
    let started = Instant::now();
    if let Err(error) = run_as_role(reader.copy, &scripts.prepare).await? {
        proof.failures.push(format!("prepare.sql fails: {error}"));
        return Ok(false);
    }
    proof.backup_ms = Some(started.elapsed().as_secs_f64() * 1000.0);
    (proof.backup_bytes, proof.restored_rows) = backup_size(&mut reader.superuser, scripts).await?;
    Ok(true)
}

/// Runs `rollback.sql` and compares with the state before; what there is then, if it came to its end.
async fn roll_back<C: ProofCopy>(
    reader: &mut Reader<'_, C>,
    scripts: &Scripts,
    before: &State,
    tables: Option<&BTreeSet<String>>,
    proof: &mut RollbackProof,
) -> Result<Option<State>, RollbackError> {
    if let Err(error) = run_as_role(reader.copy, &scripts.rollback).await? {
        proof.failures.push(format!("rollback.sql fails: {error}"));
        return Ok(None);
    }
    proof.left_alone = left_alone(&mut reader.superuser, scripts).await?;
    let back = reader.back(before, tables).await?;
    before.compare(&back, proof);
    Ok(Some(back))
}

/// Tables with rows that the rollback found changed since, where there is a backup.
async fn left_alone(superuser: &mut Session, scripts: &Scripts) -> Result<BTreeSet<String>, ServerError> {
    if scripts.saved.is_empty() {
        return Ok(BTreeSet::new());
    }
    let tables = format!("SELECT DISTINCT origin FROM {}.left_alone", identifier(&scripts.backup_schema));
    let told = superuser.query(&tables).await?;
    Ok(told.rows.into_iter().flatten().flatten().collect())
}

/// Runs `cleanup.sql` and looks whether the backup is gone.
async fn clean_up<C: ProofCopy>(
    reader: &mut Reader<'_, C>,
    scripts: &Scripts,
    proof: &mut RollbackProof,
) -> Result<(), RollbackError> {
    if let Err(error) = run_as_role(reader.copy, &scripts.cleanup).await? {
        proof.failures.push(format!("cleanup.sql fails: {error}"));
    }
    let left = reader
        .superuser
        .query(&format!(
            "SELECT coalesce(sum(pg_catalog.pg_relation_size(c.oid)), 0)::bigint FROM pg_catalog.pg_namespace AS n \
             LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relkind = 'r' WHERE n.nspname = {} \
             GROUP BY n.oid",
            quote_literal(&scripts.backup_schema)
        ))
        .await?;
    match left.scalar() {
        None => {}
        Some("0") => proof.conditions.push(format!(
            "cleanup.sql empties the schema {} and leaves it to a superuser to drop it: an event trigger refuses",
            scripts.backup_schema
        )),
        Some(_) => proof.failures.push(format!("cleanup.sql leaves the schema {} behind", scripts.backup_schema)),
    }
    Ok(())
}

async fn without_prepare<C: ProofCopy>(
    copy: &C,
    scripts: &Scripts,
    options: &ProveOptions,
    differing: &BTreeSet<String>,
    proof: &mut RollbackProof,
) -> Result<(), RollbackError> {
    let mut superuser = copy.superuser().await?;
    let catalog = catalog::read(&mut superuser).await?;
    let witnesses =
        witness::take(&mut superuser, &catalog, &scripts.saved, differing, (&*role(copy).await?, "t")).await?;
    let tables = options.tables.as_ref();
    let before = fingerprints(&mut superuser, &catalog, tables, Depth::Values).await?;
    copy.migrate().await?;
    if let Err(error) = run_as_role(copy, &scripts.rollback).await? {
        proof.needs_prepare(&error);
    }
    superuser.execute("BEGIN").await?;
    proof.losses = witness::losses(&mut superuser, &witnesses).await?;
    superuser.execute("COMMIT").await?;
    let catalog = catalog::read(&mut superuser).await?;
    let back = fingerprints(&mut superuser, &catalog, tables, Depth::Values).await?;
    proof.backup_needed |= !proof.losses.is_empty() || !fingerprint::compare(&before, &back).is_empty();
    superuser.close().await;
    Ok(())
}

/// The role that runs migrations, quoted.
async fn role<C: ProofCopy>(copy: &C) -> Result<String, ServerError> {
    let mut session = copy.migration_role().await?;
    let role = session.query("SELECT pg_catalog.quote_ident(current_user)").await;
    session.close().await;
    Ok(role?.scalar().unwrap_or_default().to_owned())
}

/// Sends a script statement by statement in a session of its own. The outer error is the connection's, the inner one
/// the script's, with its statement.
async fn run_as_role<C: ProofCopy>(copy: &C, script: &str) -> Result<Result<(), String>, RollbackError> {
    let mut session = copy.migration_role().await?;
    let outcome = run_script(&mut session, script).await;
    session.close().await;
    Ok(outcome)
}

/// Runs a script as psql with `ON_ERROR_STOP` would.
///
/// # Errors
/// The first statement the server refuses, with what it said; the transaction it stood in is rolled back.
pub async fn run_script(session: &mut Session, script: &str) -> Result<(), String> {
    let spans = split(script).map_err(|error| error.to_string())?;
    for span in spans {
        let statement = &script[span.clone()];
        if let Err(error) = session.execute(statement).await {
            // Outside a transaction this only warns.
            let _ = session.execute("ROLLBACK").await;
            return Err(refused(script, &span, &error));
        }
    }
    Ok(())
}

/// A statement of a script that the server refuses, with its line.
fn refused(script: &str, span: &Range<usize>, error: &ServerError) -> String {
    let line = script[..span.start].matches('\n').count() + 1;
    let statement = &script[span.clone()];
    let first = statement.lines().next().unwrap_or_default();
    // It ends up in reports, and the server may quote what stands in a row.
    // What the scripts raise by themselves names objects and counts.
    let own = error.sqlstate == "P0001" && error.message.ends_with("nothing was changed");
    let message = if own { error.message.clone() } else { Redactor::default().error_message(error, statement) };
    format!("line {line}, `{first}`: {message} (SQLSTATE {})", error.sqlstate)
}

/// Bytes of the backup, and how many rows and positions it holds.
async fn backup_size(superuser: &mut Session, scripts: &Scripts) -> Result<(Option<u64>, u64), ServerError> {
    if scripts.saved.is_empty() {
        return Ok((Some(0), 0));
    }
    let bytes = superuser
        .query(&format!(
            "SELECT sum(pg_catalog.pg_total_relation_size(c.oid))::bigint FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = {} AND c.relkind = 'r' AND c.relname NOT IN ('saved', 'left_alone', 'settings')",
            quote_literal(&scripts.backup_schema)
        ))
        .await?;
    let mut rows = 0;
    for save in &scripts.saved {
        let counted = superuser.query(&format!("SELECT count(*) FROM {}", save.backup_name())).await?;
        rows += counted.scalar().and_then(|count| count.parse::<u64>().ok()).unwrap_or_default();
    }
    Ok((bytes.scalar().and_then(|bytes| bytes.parse().ok()), rows))
}

/// Counts what is against each condition. As the migration's role, since they call functions of the database, which the
/// migration may have replaced; but over all rows.
async fn check_conditions<C: ProofCopy>(
    copy: &C,
    superuser: &mut Session,
    scripts: &Scripts,
    proof: &mut RollbackProof,
) -> Result<(), ServerError> {
    if scripts.conditions.is_empty() {
        return Ok(());
    }
    let role = role(copy).await?;
    // One that is above row security anyway stays as it is.
    let change = |word: &str| {
        format!(
            "DO $seatrial$ BEGIN IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE NOT rolsuper AND \
             pg_catalog.quote_ident(rolname) = {}) THEN ALTER ROLE {role} {word}; END IF; END $seatrial$",
            quote_literal(&role)
        )
    };
    superuser.execute(&change("BYPASSRLS")).await?;
    let mut session = copy.migration_role().await?;
    session.execute("SET search_path = ''").await?;
    for condition in &scripts.conditions {
        let Some(query) = &condition.query else {
            proof.conditions.push(condition.text.clone());
            continue;
        };
        let counted = session.query(query).await;
        proof.conditions.push(match counted {
            Ok(rows) => format!("{} (on the copy: {} rows against it)", condition.text, rows.scalar().unwrap_or("?")),
            Err(error) => format!("{} (could not be counted: {error})", condition.text),
        });
    }
    session.close().await;
    superuser.execute(&change("NOBYPASSRLS")).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_fails_with_names_no_value_of_a_row() {
        let script = "BEGIN;\nALTER TABLE t ALTER c TYPE integer USING c::integer;";
        let error = ServerError {
            sqlstate: "22P02".to_owned(),
            message: "invalid input syntax for type integer: \"ann@example.test\"".to_owned(),
            ..ServerError::default()
        };
        let told = refused(script, &(7..script.len() - 1), &error);
        assert!(told.starts_with("line 2, `ALTER TABLE t ALTER c TYPE integer"), "{told}");
        assert!(told.contains("invalid input syntax for type integer") && !told.contains("ann@"), "{told}");
    }
}
