//! Everything that is compared, at one moment.

use super::super::RollbackError;
use super::super::compare::{compare_catalogs, compare_dumps};
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

/// Reads it.
pub(super) async fn state<C: ProofCopy>(
    copy: &C,
    superuser: &mut Session,
    tables: Option<&BTreeSet<String>>,
    depth: Depth,
) -> Result<State, RollbackError> {
    let reading = async {
        let catalog = catalog::read(superuser).await?;
        let net = catalog::net::read(superuser).await?;
        // After the migration a table may bear another name: there all are counted.
        let tables = if depth == Depth::Values { tables } else { None };
        let rows = fingerprints(superuser, &catalog, tables, depth).await?;
        Ok::<_, ServerError>((catalog, net, rows))
    };
    // Nothing changes meanwhile, and pg_dump has a session of its own.
    let (dump, read) = tokio::join!(copy.dump(), reading);
    let (catalog, net, rows) = read?;
    Ok(State { dump: dump?, catalog, net, rows })
}

/// Random and clock values differ from one application to the next: rows are compared by their number alone.
pub(super) fn reapplied(first: &State, again: &State) -> Vec<String> {
    let schema = compare_dumps(&first.dump, &again.dump);
    let mut catalog = compare_catalogs(&first.catalog, &again.catalog);
    // A column that was added again last stands elsewhere the second time: that much is said already.
    let mut found = net::join(&net::compare(&first.net, &again.net), &mut catalog, &schema);
    found.extend(schema.others);
    found.extend(catalog.others);
    found.extend(fingerprint::compare(&first.rows, &again.rows).tables.into_values());
    found.sort();
    found.dedup();
    found
}
