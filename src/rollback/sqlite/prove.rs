//! Runs the scripts on fresh copies and compares. What is said about a rollback comes from here and nowhere else.

mod each;
mod losses;
mod state;

pub use each::{Step, prove_each};

use super::compare;
use super::script::is_own;
use crate::engine::ServerError;
use crate::engine::sqlite::connection::{self, Purpose, Stop};
use crate::engine::sqlite::script;
use crate::rollback::RollbackError;
use crate::rollback::fingerprint;
use crate::rollback::generate::Scripts;
use crate::rollback::prove::RollbackProof;
use crate::snapshot::sqlite::quote;
use rusqlite::Connection;
use state::State;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

/// A disposable copy to prove on.
pub trait ProofCopy: Sized {
    /// Its file.
    fn path(&self) -> &Path;
    /// What ends its statements.
    fn stop(&self) -> Stop;
    /// `PRAGMA foreign_keys` as the application sets it.
    fn foreign_keys(&self) -> bool;
    /// Applies everything pending in the runner's mode, as far as it went when it was measured.
    ///
    /// # Errors
    /// What has nothing to do with the migration, which went through before; or that it does not any more.
    fn migrate(&self) -> Result<(), ServerError>;
    /// Applies one pending migration by itself, counted from 0. The inner error is the migration's, as it may be told.
    ///
    /// # Errors
    /// What has nothing to do with the migration.
    fn apply_one(&self, index: usize) -> Result<Result<(), String>, ServerError>;
    /// Removes the copy.
    ///
    /// # Errors
    /// It stays.
    fn destroy(self) -> Result<(), RollbackError>;
}

/// Where fresh copies come from, all alike.
pub trait ProofGround {
    /// What it gives.
    type Copy: ProofCopy;
    /// A copy nothing was done to.
    ///
    /// # Errors
    /// There is none.
    fn fresh(&mut self) -> Result<Self::Copy, RollbackError>;
}

/// Opens a copy as the application does.
pub(super) fn open<C: ProofCopy>(copy: &C) -> Result<Connection, ServerError> {
    connection::open(copy.path(), Purpose::Migration { foreign_keys: copy.foreign_keys() }, &copy.stop())
}

/// Proves a rollback on fresh copies: prepare, migrate, roll back, compare; clean up; migrate again, compare. What would
/// be lost without `prepare.sql` is counted on the way, and one more copy shows that `rollback.sql` refuses there and
/// changes nothing.
///
/// # Errors
/// Only what has nothing to do with the rollback. A script that fails is an outcome.
pub fn prove<G: ProofGround>(ground: &mut G, scripts: &Scripts) -> Result<RollbackProof, RollbackError> {
    let mut proof = of(scripts);
    let copy = ground.fresh()?;
    let proven = round_trip(&copy, scripts, &mut proof);
    copy.destroy()?;
    proven?;
    if proof.backup_needed {
        let copy = ground.fresh()?;
        let refused = without_prepare(&copy, scripts, &mut proof);
        copy.destroy()?;
        refused?;
    }
    Ok(proof)
}

/// Writes the scripts and proves them. Where rows of a table do not come back, or a script fails, they are written once
/// more without telling anything of those tables from the statements. The better ones stay.
///
/// # Errors
/// As with [`prove`].
pub fn write_and_prove<G: ProofGround>(
    ground: &mut G,
    write: impl Fn(&BTreeSet<String>) -> Scripts,
) -> Result<(Scripts, RollbackProof), RollbackError> {
    let scripts = write(&BTreeSet::new());
    let proof = prove(ground, &scripts)?;
    let doubted: BTreeSet<String> = proof.differing_rows().map(|(table, _)| table.to_owned()).collect();
    if doubted.is_empty() {
        return Ok((scripts, proof));
    }
    let again = write(&doubted);
    let second = prove(ground, &again)?;
    let better = !second.failed() && second.differing_rows().count() < doubted.len();
    Ok(if better { (again, second) } else { (scripts, proof) })
}

/// Nothing shown yet. `rollback.sql` refuses without a backup where there is one.
fn of(scripts: &Scripts) -> RollbackProof {
    RollbackProof {
        unmodelled: scripts.unmodelled.clone(),
        conditions: scripts.conditions.iter().map(|condition| condition.text.clone()).collect(),
        backup_needed: scripts.prepare.contains("COMMIT;"),
        ..RollbackProof::default()
    }
}

fn round_trip<C: ProofCopy>(copy: &C, scripts: &Scripts, proof: &mut RollbackProof) -> Result<(), RollbackError> {
    let before = State::read(&open(copy)?)?;
    if !prepare(copy, scripts, proof)? {
        return Ok(());
    }
    copy.migrate()?;
    let connection = open(copy)?;
    let first = State::read(&connection)?;
    proof.losses = losses::count(&connection, scripts, &before.schema)?;
    drop(connection);
    if !roll_back(copy, scripts, &before, proof)? {
        return Ok(());
    }
    clean_up(copy, scripts, proof)?;
    proof.reapplied = Some(match copy.migrate() {
        Ok(()) => first.reapplied(&State::read(&open(copy)?)?),
        Err(error) => vec![format!("it fails: {error}")],
    });
    Ok(())
}

/// Runs a script on a connection of its own. The outer error is the connection's, the inner one the script's.
fn run<C: ProofCopy>(copy: &C, sql: &str) -> Result<Result<(), String>, RollbackError> {
    Ok(script::run(&open(copy)?, sql))
}

/// Runs `prepare.sql` and weighs the backup; whether it came to its end.
fn prepare<C: ProofCopy>(copy: &C, scripts: &Scripts, proof: &mut RollbackProof) -> Result<bool, RollbackError> {
    let size = |connection: &Connection| -> Result<i64, ServerError> {
        let sql = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
        Ok(connection.query_row(sql, [], |row| row.get(0))?)
    };
    let was = size(&open(copy)?)?;
    let started = Instant::now();
    if let Err(error) = run(copy, &scripts.prepare)? {
        proof.failures.push(format!("prepare.sql fails: {error}"));
        return Ok(false);
    }
    proof.backup_ms = Some(started.elapsed().as_secs_f64() * 1000.0);
    let connection = open(copy)?;
    proof.backup_bytes = u64::try_from(size(&connection)? - was).ok();
    for table in backups(&connection, scripts)? {
        let sql = format!("SELECT count(*) FROM main.{}", quote(&table));
        let rows: i64 = connection.query_row(&sql, [], |row| row.get(0)).map_err(ServerError::from)?;
        proof.restored_rows += rows.unsigned_abs();
    }
    Ok(true)
}

/// Tables of this backup there are now: those `prepare.sql` makes.
fn backups(connection: &Connection, scripts: &Scripts) -> Result<Vec<String>, ServerError> {
    let mut statement = connection.prepare("SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY name")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let made = |name: &String| scripts.cleanup.contains(&format!("DROP TABLE IF EXISTS main.{};", quote(name)));
    Ok(names.into_iter().filter(|name| is_own(name) && made(name)).collect())
}

/// Runs `rollback.sql` and compares with the state before; whether it came to its end.
fn roll_back<C: ProofCopy>(
    copy: &C,
    scripts: &Scripts,
    before: &State,
    proof: &mut RollbackProof,
) -> Result<bool, RollbackError> {
    if let Err(error) = run(copy, &scripts.rollback)? {
        proof.failures.push(format!("rollback.sql fails: {error}"));
        return Ok(false);
    }
    let back = State::read(&open(copy)?)?;
    before.compare(&back, proof);
    Ok(true)
}

/// Runs `cleanup.sql` and looks whether the backup is gone.
fn clean_up<C: ProofCopy>(copy: &C, scripts: &Scripts, proof: &mut RollbackProof) -> Result<(), RollbackError> {
    if let Err(error) = run(copy, &scripts.cleanup)? {
        proof.failures.push(format!("cleanup.sql fails: {error}"));
    }
    let left = backups(&open(copy)?, scripts)?;
    proof.failures.extend(left.into_iter().map(|name| format!("cleanup.sql leaves {name} behind")));
    Ok(())
}

/// `rollback.sql` where `prepare.sql` never ran: it has to refuse, and to leave everything as the migration left it.
fn without_prepare<C: ProofCopy>(copy: &C, scripts: &Scripts, proof: &mut RollbackProof) -> Result<(), RollbackError> {
    copy.migrate()?;
    let migrated = State::read(&open(copy)?)?;
    match run(copy, &scripts.rollback)? {
        Ok(()) => proof.failures.push("rollback.sql does not refuse although prepare.sql never ran".to_owned()),
        Err(_) => {
            let now = State::read(&open(copy)?)?;
            let mut found = RollbackProof::default();
            migrated.compare(&now, &mut found);
            let changed = found.differences();
            proof.failures.extend(
                changed
                    .into_iter()
                    .map(|what| format!("rollback.sql refuses and changes something all the same: {what}")),
            );
        }
    }
    Ok(())
}
