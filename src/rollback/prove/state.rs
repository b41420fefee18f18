//! Everything that is compared, at one moment.

use super::super::RollbackError;
use super::super::compare::{Differences, compare_catalogs, compare_dumps};
use super::super::fingerprint::{self, Depth, Fingerprints, fingerprints};
use super::super::net;
use super::{ProofCopy, RollbackProof};
use crate::engine::ServerError;
use crate::engine::postgres::catalog;
use crate::engine::postgres::session::Session;
use crate::snapshot::catalog::Catalog;
use crate::snapshot::net::Net;
use std::collections::BTreeSet;

/// Everything compared at one moment.
pub(super) struct State {
    pub(super) dump: String,
    pub(super) catalog: Catalog,
    /// What the model of a catalog is checked against.
    pub(super) net: Net,
    pub(super) rows: Fingerprints,
}

/// What a migration leaves behind, to be compared with what it leaves when it runs again: every row of every system
/// catalog speaks of more than a dump would.
pub(super) struct Outcome {
    catalog: Catalog,
    net: Net,
    rows: Fingerprints,
}

impl State {
    /// Notes in the proof how the state after the rollback differs from this one, which was before.
    pub(super) fn compare(&self, back: &State, proof: &mut RollbackProof) {
        let schema = compare_dumps(&self.dump, &back.dump);
        let mut catalog = compare_catalogs(&self.catalog, &back.catalog);
        proof.unmodelled_catalog = net::join(&net::compare(&self.net, &back.net), &mut catalog, &schema);
        proof.schema = Some(schema);
        proof.catalog = Some(catalog);
        proof.rows = Some(fingerprint::compare(&self.rows, &back.rows));
    }
}

/// Reads it, values and all.
pub(super) async fn state<C: ProofCopy>(
    copy: &C,
    superuser: &mut Session,
    tables: Option<&BTreeSet<String>>,
) -> Result<State, RollbackError> {
    // Nothing changes meanwhile, and pg_dump has a session of its own.
    let (dump, read) = tokio::join!(copy.dump(), read(copy, superuser, tables, Depth::Values));
    let (catalog, net, rows) = read?;
    Ok(State { dump: dump?, catalog, net, rows })
}

/// Reads what a migration left behind. Tables may bear another name by then: the rows of all are counted.
pub(super) async fn outcome<C: ProofCopy>(copy: &C, superuser: &mut Session) -> Result<Outcome, RollbackError> {
    let (catalog, net, rows) = read(copy, superuser, None, Depth::Counts).await?;
    Ok(Outcome { catalog, net, rows })
}

async fn read<C: ProofCopy>(
    copy: &C,
    superuser: &mut Session,
    tables: Option<&BTreeSet<String>>,
    depth: Depth,
) -> Result<(Catalog, Net, Fingerprints), ServerError> {
    let mut beside = copy.superuser().await?;
    let (catalog, net) = tokio::join!(catalog::read(superuser), catalog::net::read(&mut beside));
    beside.close().await;
    let (catalog, net) = (catalog?, net?);
    let rows = fingerprints(superuser, &catalog, tables, depth).await?;
    Ok((catalog, net, rows))
}

/// Random and clock values differ from one application to the next: rows are compared by their number alone.
pub(super) fn reapplied(first: &Outcome, again: &Outcome) -> Vec<String> {
    let mut catalog = compare_catalogs(&first.catalog, &again.catalog);
    // A column that was added again last stands elsewhere the second time: that much is said already.
    let mut found = net::join(&net::compare(&first.net, &again.net), &mut catalog, &Differences::default());
    found.extend(catalog.others);
    found.extend(fingerprint::compare(&first.rows, &again.rows).tables.into_values());
    found.sort();
    found.dedup();
    found
}
