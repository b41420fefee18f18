//! Everything that is compared, at one moment.

use super::super::RollbackError;
use super::super::compare::{Differences, compare_catalogs, compare_dumps, has_parts_of_keys};
use super::super::fingerprint::{self, Depth, Fingerprints, fingerprints};
use super::super::net::{self, NetDifferences};
use super::{ProofCopy, RollbackProof};
use crate::copy::kept::Kept;
use crate::engine::ServerError;
use crate::engine::postgres::abilities::Ability;
use crate::engine::postgres::catalog;
use crate::engine::postgres::session::Session;
use crate::snapshot::catalog::Catalog;
use crate::snapshot::net::Net;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Everything compared at one moment.
pub(super) struct State {
    pub(super) dump: String,
    /// As large as the schema: of an untouched copy it is the one the rehearsal has.
    pub(super) catalog: Arc<Catalog>,
    /// What the model of a catalog is checked against. Moments at which every row was the same have it in common.
    pub(super) net: Arc<Net>,
    pub(super) rows: Fingerprints,
}

/// What a migration leaves behind, to be compared with what it leaves when it runs again: every row of every system
/// catalog speaks of more than a dump would.
pub(super) struct Outcome {
    catalog: Arc<Catalog>,
    net: Net,
    rows: Fingerprints,
}

impl State {
    /// Notes in the proof how the state after the rollback differs from this one, which was before.
    pub(super) fn compare(&self, back: &State, proof: &mut RollbackProof) {
        let schema = compare_dumps(&self.dump, &back.dump);
        let (catalog, unmodelled) = if Arc::ptr_eq(&self.net, &back.net) {
            (Differences::default(), Vec::new())
        } else {
            let mut catalog = compare_catalogs(&self.catalog, &back.catalog);
            let unmodelled = net::join(&net::compare(&self.net, &back.net), &mut catalog, &schema);
            (catalog, unmodelled)
        };
        proof.schema = Some(schema);
        proof.catalog = Some(catalog);
        proof.unmodelled_catalog = unmodelled;
        proof.rows = Some(fingerprint::compare(&self.rows, &back.rows));
    }
}

/// Reads a copy at one moment after the other: what is compared is read in several sessions at once, as nothing changes
/// meanwhile.
pub(super) struct Reader<'copy, C> {
    pub(super) copy: &'copy C,
    /// To look and to set up with, between two readings.
    pub(super) superuser: Session,
    net: catalog::net::Reader,
}

impl<'copy, C: ProofCopy> Reader<'copy, C> {
    pub(super) async fn of(copy: &'copy C) -> Result<Self, ServerError> {
        let superuser = copy.superuser().await?;
        Ok(Self { copy, superuser, net: catalog::net::Reader::new(copy.superuser().await?) })
    }

    /// Reads it, values and all, of a copy whose schema was read just now.
    pub(super) async fn state(
        &mut self,
        catalog: Catalog,
        tables: Option<&BTreeSet<String>>,
    ) -> Result<State, RollbackError> {
        let nothing = Kept::nothing();
        let (dump, net, rows) = tokio::join!(
            self.copy.dump(),
            self.net.read(&nothing),
            fingerprints(&mut self.superuser, &catalog, tables, Depth::Values)
        );
        Ok(State { dump: dump?, catalog: Arc::new(catalog), net: Arc::new(net?), rows: rows? })
    }

    /// Reads it, values and all, where it should be as it was `before`.
    pub(super) async fn back(
        &mut self,
        before: &State,
        tables: Option<&BTreeSet<String>>,
    ) -> Result<State, RollbackError> {
        let (dump, read) = tokio::join!(self.copy.dump(), async {
            let net = self.net.read(&Kept::nothing()).await?;
            let (catalog, net) = match self.says_it_all(&before.net, &net, &before.catalog) {
                true => (catalog::read_again(&mut self.superuser, &before.catalog).await?, Arc::clone(&before.net)),
                false => (Arc::new(catalog::read(&mut self.superuser).await?), Arc::new(net)),
            };
            let rows = fingerprints(&mut self.superuser, &catalog, tables, Depth::Values).await?;
            Ok::<_, ServerError>((catalog, net, rows))
        });
        let (catalog, net, rows) = read?;
        Ok(State { dump: dump?, catalog, net, rows })
    }

    /// Whether every row of every system catalog is as it was, and a model of them would be read from nothing else: parts of
    /// foreign keys are left out of these rows.
    fn says_it_all(&self, before: &Net, now: &Net, catalog: &Catalog) -> bool {
        self.is_alone() && net::is_same(before, now) && !has_parts_of_keys(catalog)
    }

    /// Whether nobody else changes what all databases share. On a server of others it is not among the rows, either.
    fn is_alone(&self) -> bool {
        self.superuser.abilities.has(Ability::PrivateServer)
    }

    /// Reads it while nothing was done to the copy: others like it may have answered already.
    pub(super) async fn untouched(&mut self, tables: Option<&BTreeSet<String>>) -> Result<State, RollbackError> {
        let kept = self.copy.kept();
        let (dump, read) = tokio::join!(self.copy.untouched_dump(), async {
            let (catalog, net, rows) = match self.copy.untouched_catalog() {
                Some(known) => {
                    let values = fingerprint::values(&mut self.superuser, &known, tables, &kept);
                    let (net, rows) = tokio::join!(self.net.read(&kept), values);
                    (known, net?, rows?)
                }
                None => {
                    let (catalog, net) = self.catalogs(&kept).await?;
                    let rows = fingerprint::values(&mut self.superuser, &catalog, tables, &kept).await?;
                    (Arc::new(catalog), net, rows)
                }
            };
            Ok::<_, ServerError>((catalog, Arc::new(net), rows))
        });
        let (catalog, net, rows) = read?;
        Ok(State { dump: dump?, catalog, net, rows })
    }

    /// Reads what a migration left behind. Tables may bear another name by then: the rows of all are counted.
    pub(super) async fn outcome(&mut self) -> Result<Outcome, RollbackError> {
        // Where the same migration left the same relations on another copy, it left the same schema, as far as it may be
        // compared with what it leaves the next time.
        let known = self.copy.migrated_catalog().filter(|_| self.is_alone());
        let nothing = Kept::nothing();
        let (net, counted) = tokio::join!(self.net.read(&nothing), async {
            let known = known?;
            // A table that is not there fails it, and then these are not the relations.
            let rows = fingerprints(&mut self.superuser, &known, None, Depth::Counts).await.ok()?;
            Some((known, rows))
        });
        let net = net?;
        if let Some((catalog, rows)) = counted.filter(|(known, _)| net::has_relations_of(&net, known)) {
            return Ok(Outcome { catalog, net, rows });
        }
        let catalog = Arc::new(catalog::read(&mut self.superuser).await?);
        let rows = fingerprints(&mut self.superuser, &catalog, None, Depth::Counts).await?;
        Ok(Outcome { catalog, net, rows })
    }

    /// What a migration leaves behind that it did not the first time. Random and clock values differ from one application to
    /// the next: rows are compared by their number alone.
    pub(super) async fn reapplied(&mut self, first: &Outcome) -> Result<Vec<String>, ServerError> {
        let nothing = Kept::nothing();
        let counting = fingerprints(&mut self.superuser, &first.catalog, None, Depth::Counts);
        let (net, counted) = tokio::join!(self.net.read(&nothing), counting);
        let net = net?;
        let differing = net::compare(&first.net, &net);
        // Every row of every system catalog says the same: nothing is read from them that would not.
        if differing == NetDifferences::default() && !has_parts_of_keys(&first.catalog) {
            return Ok(fingerprint::compare(&first.rows, &counted?).tables.into_values().collect());
        }
        let again = catalog::read(&mut self.superuser).await?;
        let rows = fingerprints(&mut self.superuser, &again, None, Depth::Counts).await?;
        let mut catalog = compare_catalogs(&first.catalog, &again);
        // A column that was added again last stands elsewhere the second time: that much is said already.
        let mut found = net::join(&differing, &mut catalog, &Differences::default());
        found.extend(catalog.others);
        found.extend(fingerprint::compare(&first.rows, &rows).tables.into_values());
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// What there is, without what is in it. `kept` while nothing was done to the copy.
    pub(super) async fn catalogs(&mut self, kept: &Kept) -> Result<(Catalog, Net), ServerError> {
        let (catalog, net) = tokio::join!(catalog::read_kept(&mut self.superuser, kept), self.net.read(kept));
        Ok((catalog?, net?))
    }

    /// Ends its sessions.
    pub(super) async fn close(self) {
        self.superuser.close().await;
        self.net.close().await;
    }
}
