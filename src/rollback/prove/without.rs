//! What would be lost without the backup: the rollback once without it, in a transaction that is taken back.
//!
//! So no other copy is needed, and what comes afterwards finds everything in its place.

use super::super::fingerprint::{self, Depth, fingerprints};
use super::super::generate::Scripts;
use super::super::names::identifier;
use super::witness::{self, Witness};
use super::{ProofCopy, RollbackError, RollbackProof, State, refused, role};
use crate::engine::ServerError;
use crate::engine::postgres::abilities::Ability;
use crate::engine::postgres::catalog::WITNESS_SCHEMA;
use crate::engine::postgres::session::Session;
use crate::migration::script::{StatementKind, kind, split};
use std::collections::BTreeSet;

/// Tries it and notes whether the backup is needed, and for what.
pub(super) async fn backup<C: ProofCopy>(
    copy: &C,
    superuser: &mut Session,
    scripts: &Scripts,
    before: &State,
    witnesses: &[Witness],
    tables: Option<&BTreeSet<String>>,
    proof: &mut RollbackProof,
) -> Result<(), RollbackError> {
    let role = role(copy).await?;
    let mut session = copy.migration_role().await?;
    // To hide the backup and to see every row. Only the real run says whether the role may do what the script does.
    // Where others work, nobody but ourselves is ever a superuser: what the role owns has to do there.
    let mine = superuser.abilities.has(Ability::PrivateServer);
    if mine {
        superuser.execute(&format!("ALTER ROLE {role} SUPERUSER")).await?;
    }
    let tried = attempt(&mut session, scripts, before, witnesses, tables, proof).await;
    // What is left of the transaction goes with the session.
    session.close().await;
    if mine {
        superuser.execute(&format!("ALTER ROLE {role} NOSUPERUSER")).await?;
    }
    Ok(tried?)
}

async fn attempt(
    session: &mut Session,
    scripts: &Scripts,
    before: &State,
    witnesses: &[Witness],
    tables: Option<&BTreeSet<String>>,
    proof: &mut RollbackProof,
) -> Result<(), ServerError> {
    session.execute("BEGIN").await?;
    let schema = identifier(&scripts.backup_schema);
    session.execute(&format!("ALTER SCHEMA {schema} RENAME TO {WITNESS_SCHEMA}_hidden")).await?;
    session.execute("SAVEPOINT start").await?;
    if let Err(error) = run_inside(session, &scripts.rollback).await {
        session.execute("ROLLBACK TO SAVEPOINT start").await?;
        proof.needs_prepare(&error);
    }
    proof.losses = witness::losses(session, witnesses).await?;
    proof.backup_needed |= !proof.losses.is_empty();
    if !proof.backup_needed {
        proof.backup_needed = match fingerprints(session, &before.catalog, tables, Depth::Values).await {
            Ok(back) => !fingerprint::compare(&before.rows, &back).is_empty(),
            // A table or a column that is not there, a materialized view that is not filled.
            Err(error) if error.sqlstate.starts_with("42") || error.sqlstate == "55000" => true,
            Err(error) => return Err(error),
        };
    }
    session.execute("ROLLBACK").await?;
    Ok(())
}

/// The part of a rollback that is one transaction, in the transaction that is open. What follows it makes indexes.
async fn run_inside(session: &mut Session, script: &str) -> Result<(), String> {
    for span in split(script).map_err(|error| error.to_string())? {
        let statement = &script[span.clone()];
        match kind(statement) {
            StatementKind::Begin => {}
            StatementKind::Commit => break,
            _ => {
                session.execute(statement).await.map_err(|error| refused(script, &span, &error))?;
            }
        }
    }
    // What is only checked at the end of a transaction.
    let deferred = "SET CONSTRAINTS ALL IMMEDIATE";
    session.execute(deferred).await.map(|_| ()).map_err(|error| refused(deferred, &(0..deferred.len()), &error))
}
