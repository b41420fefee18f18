//! What running the scripts showed, and the verdict that follows from it.

use super::super::backup::{Save, SaveKind};
use super::super::compare::Differences;
use super::super::fingerprint::RowDifferences;
use super::super::generate::{Scripts, Trust};
use super::PlanDifferences;
use crate::report::v1::{Comparison, RollbackVerdict};
use crate::snapshot::catalog::Catalog;
use std::collections::BTreeSet;

/// What was lost without `prepare.sql`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// `schema.table`, or `schema.table.column`.
    pub object: String,
    /// Rows with a value that is not there any more.
    pub rows: u64,
}

/// What running the scripts showed. Parts are filled by [`prove`] alone and the verdict is computed from them, so that
/// no other can be claimed.
#[derive(Debug, Clone, Default)]
pub struct RollbackProof {
    pub(in crate::rollback) schema: Option<Differences>,
    pub(in crate::rollback) catalog: Option<Differences>,
    pub(in crate::rollback) rows: Option<RowDifferences>,
    /// None without hot queries.
    pub(in crate::rollback) plans: Option<PlanDifferences>,
    pub(in crate::rollback) reapplied: Option<Vec<String>>,
    pub(in crate::rollback) failures: Vec<String>,
    pub(in crate::rollback) unmodelled: Vec<String>,
    /// What only the rows of the system catalogs show, a sentence each.
    pub(in crate::rollback) unmodelled_catalog: Vec<String>,
    pub(in crate::rollback) losses: Vec<Loss>,
    pub(in crate::rollback) conditions: Vec<String>,
    pub(in crate::rollback) restored_rows: u64,
    /// Tables with rows that `rollback.sql` took for changed since, on a copy nobody else writes to.
    pub(in crate::rollback) left_alone: BTreeSet<String>,
    /// Without `prepare.sql` the rows do not come back.
    pub(in crate::rollback) backup_needed: bool,
    pub(in crate::rollback) backup_bytes: Option<u64>,
    pub(in crate::rollback) backup_ms: Option<f64>,
}

impl RollbackProof {
    /// Nothing shown yet. Changed rows may be rows of a column that goes again: only a run without the backup can tell.
    /// What is dropped, converted or set back needs it even where this data would come back by chance.
    pub(super) fn of(scripts: &Scripts) -> Self {
        let told_by_the_run =
            |save: &Save| matches!(save.kind, SaveKind::Rows { .. } | SaveKind::Written(_) | SaveKind::Added(_));
        let backup_needed = !scripts.saved.iter().all(told_by_the_run);
        Self { unmodelled: scripts.unmodelled.clone(), backup_needed, ..Self::default() }
    }

    /// Everything is as before.
    #[cfg(test)]
    pub(crate) fn exact_for_tests() -> Self {
        Self {
            schema: Some(Differences::default()),
            catalog: Some(Differences::default()),
            rows: Some(RowDifferences::default()),
            ..Self::default()
        }
    }

    /// The contract's word for it.
    pub fn verdict(&self) -> RollbackVerdict {
        let (Some(schema), Some(catalog), Some(rows)) = (&self.schema, &self.catalog, &self.rows) else {
            return RollbackVerdict::Irreversible;
        };
        let schema_is_back = schema.others.is_empty() && catalog.others.is_empty();
        let unknown = !self.unmodelled.is_empty() || !self.unmodelled_catalog.is_empty();
        if !schema_is_back || unknown || !self.failures.is_empty() {
            RollbackVerdict::Irreversible
        } else if !rows.is_empty() {
            RollbackVerdict::RowsLost
        } else if self.plans() == Comparison::Differs || self.reapplied() == Comparison::Differs {
            // Nothing that can be named is missing, and yet this is not the state there was.
            RollbackVerdict::Irreversible
        } else if self.restored_rows > 0 && self.backup_needed {
            RollbackVerdict::RestoredFromBackup
        } else if schema.is_empty() && catalog.is_empty() {
            RollbackVerdict::Exact
        } else {
            RollbackVerdict::ExactButColumnOrder
        }
    }

    /// Without `prepare.sql` the rollback does not even run.
    pub(in crate::rollback) fn needs_prepare(&mut self, error: &str) {
        self.backup_needed = true;
        let condition = format!("prepare.sql must have run: without it rollback.sql fails: {error}");
        if !self.conditions.contains(&condition) {
            self.conditions.push(condition);
        }
    }

    /// Takes out what is told of a migration undone before this one and stays as it is: a column that stands last now,
    /// a sequence that moved on. Adds what is left to what is told.
    pub(in crate::rollback) fn forget(&mut self, told: &mut BTreeSet<String>) {
        let orders = [&mut self.schema, &mut self.catalog].into_iter().flatten().map(|part| &mut part.column_order);
        let moved = self.rows.iter_mut().map(|rows| &mut rows.moved_on);
        for list in orders.chain(moved) {
            list.retain(|what| told.insert(what.clone()));
        }
    }

    /// Whether a script failed.
    pub fn failed(&self) -> bool {
        !self.failures.is_empty()
    }

    /// Takes away the trust in what the scripts expected of tables, and is not so; whether there is any. Where a value is
    /// neither as before nor as foretold, a statement was read wrongly; where only the rows differ, something else wrote.
    pub(super) fn take_from(&self, trust: &mut Trust<'_>, scripts: &Scripts, before: &Catalog) -> bool {
        let expects = |save: &&Save| match save.kind {
            SaveKind::Written(_) | SaveKind::Added(_) | SaveKind::Rows { deletes: false, .. } => true,
            _ => save.columns.iter().any(|column| column.converted_to.is_some()),
        };
        let differing: BTreeSet<&str> = self.differing_rows().map(|(table, _)| table).collect();
        let mut taken = false;
        for save in scripts.saved.iter().filter(expects) {
            let mut parts = before.relations.values().filter(|part| differing.contains(part.qualified.as_str()));
            if self.left_alone.contains(&save.origin) {
                taken |= trust.doubted.insert(save.origin.clone());
            } else if parts.any(|part| before.is_within(part.oid, &BTreeSet::from([save.table]))) {
                taken |= trust.unread.insert(save.origin.clone());
            }
        }
        taken
    }

    /// The dump's text, after rolling back.
    pub fn schema(&self) -> Comparison {
        comparison(self.schema.as_ref().map(Differences::is_empty))
    }

    /// The catalog by identity, after rolling back: as it is modelled, and every row of the system catalogs.
    pub fn catalog(&self) -> Comparison {
        comparison(self.catalog.as_ref().map(|found| found.is_empty() && self.unmodelled_catalog.is_empty()))
    }

    /// What differs in the system catalogs and in nothing that is modelled: catalog, object and column in each.
    pub fn unmodelled_catalog(&self) -> &[String] {
        &self.unmodelled_catalog
    }

    /// Row fingerprints and sequence positions, after rolling back.
    pub fn rows(&self) -> Comparison {
        comparison(self.rows.as_ref().map(RowDifferences::is_empty))
    }

    /// How hot queries are planned, after rolling back.
    pub fn plans(&self) -> Comparison {
        comparison(self.plans.as_ref().map(PlanDifferences::is_empty))
    }

    /// Migrating once more, against the first time: schema, catalog and row counts.
    pub fn reapplied(&self) -> Comparison {
        comparison(self.reapplied.as_ref().map(Vec::is_empty))
    }

    /// What is not as before, a sentence each.
    pub fn differences(&self) -> Vec<String> {
        let mut found = self.failures.clone();
        found.extend(self.unmodelled.iter().map(|what| format!("not undone: {what}")));
        found.extend(self.unmodelled_catalog.iter().map(|what| format!("differs and is not understood: {what}")));
        let mut order = BTreeSet::new();
        for part in [&self.schema, &self.catalog].into_iter().flatten() {
            found.extend(part.others.iter().cloned());
            order.extend(part.column_order.iter().map(|table| {
                let name = table.split_once(' ').map_or(table.as_str(), |(_, name)| name);
                format!("{name}: columns stand in another order")
            }));
        }
        found.extend(order);
        if let Some(rows) = &self.rows {
            found.extend(rows.tables.values().cloned());
            found.extend(rows.sequences.iter().cloned());
            found.extend(rows.moved_on.iter().cloned());
        }
        if let Some(plans) = &self.plans {
            found.extend(plans.others.iter().chain(&plans.explained).cloned());
        }
        found.extend(self.reapplied.iter().flatten().map(|what| format!("migrated once more: {what}")));
        found
    }

    /// Whether columns come back at another place in their table.
    pub fn moves_columns(&self) -> bool {
        [&self.schema, &self.catalog].into_iter().flatten().any(|part| !part.column_order.is_empty())
    }

    /// Tables whose rows are not as before although everything ran, with what to say about each.
    pub fn differing_rows(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rows.iter().flat_map(|rows| &rows.tables).map(|(table, text)| (table.as_str(), text.as_str()))
    }

    /// What is lost when `prepare.sql` does not run before the migration.
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// What must hold in production, with how it stood on the copy.
    pub fn conditions(&self) -> &[String] {
        &self.conditions
    }

    /// Size of the backup with its indexes and TOAST; none when `prepare.sql` did not come to its end.
    pub fn backup_bytes(&self) -> Option<u64> {
        self.backup_bytes
    }

    /// Time `prepare.sql` took, in milliseconds: a lower bound for production.
    pub fn backup_ms(&self) -> Option<f64> {
        self.backup_ms
    }
}

fn comparison(equal: Option<bool>) -> Comparison {
    match equal {
        Some(true) => Comparison::Equal,
        Some(false) => Comparison::Differs,
        None => Comparison::NotRun,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_catalogs_show_keeps_a_proof_from_being_exact() {
        let mut proof = RollbackProof::exact_for_tests();
        assert_eq!((proof.verdict(), proof.catalog()), (RollbackVerdict::Exact, Comparison::Equal));
        proof.unmodelled_catalog.push("pg_class public.t: relstrange is 1 instead of 0".to_owned());
        assert_eq!((proof.verdict(), proof.catalog()), (RollbackVerdict::Irreversible, Comparison::Differs));
        assert_eq!(
            proof.differences(),
            ["differs and is not understood: pg_class public.t: relstrange is 1 instead of 0"]
        );
    }

    /// Each part equal, different or not run, and everything else that speaks against it.
    fn all() -> Vec<RollbackProof> {
        let differences = |others: bool, order: bool| Differences {
            others: others.then(|| "x".to_owned()).into_iter().collect(),
            column_order: order.then(|| "public.t".to_owned()).into_iter().collect(),
        };
        let compared = [None, Some((false, false)), Some((true, false)), Some((false, true)), Some((true, true))];
        let three = [None, Some(false), Some(true)];
        let mut proofs = vec![RollbackProof::default()];
        let mut times = |each: &dyn Fn(&RollbackProof) -> Vec<RollbackProof>| {
            proofs = proofs.iter().flat_map(each).collect();
        };
        times(&|proof| {
            compared
                .map(|part| RollbackProof {
                    schema: part.map(|(others, order)| differences(others, order)),
                    ..proof.clone()
                })
                .to_vec()
        });
        times(&|proof| {
            compared
                .map(|part| RollbackProof {
                    catalog: part.map(|(others, order)| differences(others, order)),
                    ..proof.clone()
                })
                .to_vec()
        });
        times(&|proof| {
            let rows = |differs: bool| RowDifferences {
                tables: differs.then(|| ("public.t".to_owned(), "x".to_owned())).into_iter().collect(),
                ..RowDifferences::default()
            };
            three.map(|part| RollbackProof { rows: part.map(rows), ..proof.clone() }).to_vec()
        });
        times(&|proof| {
            let plans = |differs: bool| PlanDifferences {
                others: differs.then(|| "x".to_owned()).into_iter().collect(),
                explained: vec!["y".to_owned()],
            };
            three.map(|part| RollbackProof { plans: part.map(plans), ..proof.clone() }).to_vec()
        });
        times(&|proof| {
            let again = |differs: bool| differs.then(|| "x".to_owned()).into_iter().collect();
            three.map(|part| RollbackProof { reapplied: part.map(again), ..proof.clone() }).to_vec()
        });
        let listed = [Vec::new(), vec!["x".to_owned()]];
        times(&|proof| listed.clone().map(|failures| RollbackProof { failures, ..proof.clone() }).to_vec());
        times(&|proof| listed.clone().map(|unmodelled| RollbackProof { unmodelled, ..proof.clone() }).to_vec());
        times(&|proof| {
            listed.clone().map(|unmodelled_catalog| RollbackProof { unmodelled_catalog, ..proof.clone() }).to_vec()
        });
        times(&|proof| {
            [0, 1].map(|restored_rows| RollbackProof { restored_rows, backup_needed: true, ..proof.clone() }).to_vec()
        });
        proofs
    }

    #[test]
    fn no_part_that_differs_leaves_a_verdict_that_says_everything_is_back() {
        let proofs = all();
        assert_eq!(proofs.len(), 5 * 5 * 27 * 16);
        for proof in &proofs {
            let order_alone = |part: &Option<Differences>| part.as_ref().is_some_and(|part| part.others.is_empty());
            let parts = [proof.schema(), proof.catalog(), proof.rows(), proof.plans(), proof.reapplied()];
            let whole = proof.failures.is_empty() && proof.unmodelled.is_empty() && proof.unmodelled_catalog.is_empty();
            let back = whole
                && order_alone(&proof.schema)
                && order_alone(&proof.catalog)
                && proof.rows() == Comparison::Equal
                && proof.plans() != Comparison::Differs
                && proof.reapplied() != Comparison::Differs;
            use RollbackVerdict::{Exact, ExactButColumnOrder, RestoredFromBackup};
            let verdict = proof.verdict();
            assert_eq!(
                matches!(verdict, Exact | ExactButColumnOrder | RestoredFromBackup),
                back,
                "{verdict:?}: {proof:?}"
            );
            if verdict == Exact {
                assert!(!parts.contains(&Comparison::Differs), "{proof:?}");
                assert!(parts[..3].iter().all(|part| *part == Comparison::Equal), "{proof:?}");
            }
        }
        assert!(proofs.iter().any(|proof| proof.verdict() == RollbackVerdict::Exact));
    }
}
