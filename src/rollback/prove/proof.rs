//! What running the scripts showed, and the verdict that follows from it.

use super::super::backup::{Save, SaveKind};
use super::super::compare::Differences;
use super::super::fingerprint::RowDifferences;
use super::super::generate::Scripts;
use crate::report::v1::{Comparison, RollbackVerdict};
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
    pub(super) schema: Option<Differences>,
    pub(super) catalog: Option<Differences>,
    pub(super) rows: Option<RowDifferences>,
    pub(super) reapplied: Option<Vec<String>>,
    pub(super) failures: Vec<String>,
    pub(super) unmodelled: Vec<String>,
    /// What only the rows of the system catalogs show, a sentence each.
    pub(super) unmodelled_catalog: Vec<String>,
    pub(super) losses: Vec<Loss>,
    pub(super) conditions: Vec<String>,
    pub(super) restored_rows: u64,
    /// Rows `rollback.sql` took for changed since, on a copy nobody else writes to.
    pub(super) left_alone: u64,
    /// Without `prepare.sql` the rows do not come back.
    pub(super) backup_needed: bool,
    pub(super) backup_bytes: Option<u64>,
    pub(super) backup_ms: Option<f64>,
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
        } else if self.restored_rows > 0 && self.backup_needed {
            RollbackVerdict::RestoredFromBackup
        } else if schema.is_empty() && catalog.is_empty() {
            RollbackVerdict::Exact
        } else {
            RollbackVerdict::ExactButColumnOrder
        }
    }

    /// Without `prepare.sql` the rollback does not even run.
    pub(super) fn needs_prepare(&mut self, error: &str) {
        self.backup_needed = true;
        let condition = format!("prepare.sql must have run: without it rollback.sql fails: {error}");
        if !self.conditions.contains(&condition) {
            self.conditions.push(condition);
        }
    }

    /// Takes out what is told of a migration undone before this one and stays as it is: a column that stands last now,
    /// a sequence that moved on. Adds what is left to what is told.
    pub(super) fn forget(&mut self, told: &mut BTreeSet<String>) {
        let orders = [&mut self.schema, &mut self.catalog].into_iter().flatten().map(|part| &mut part.column_order);
        let moved = self.rows.iter_mut().map(|rows| &mut rows.moved_on);
        for list in orders.chain(moved) {
            list.retain(|what| told.insert(what.clone()));
        }
    }

    /// Whether what the scripts expect of the migration's own statements is not what those did: then they have to be
    /// written without expecting anything.
    pub fn mistaken(&self, scripts: &Scripts) -> bool {
        let expects = |save: &Save| {
            matches!(save.kind, SaveKind::Written(_) | SaveKind::Added(_))
                || save.columns.iter().any(|column| column.converted_to.is_some())
        };
        scripts.saved.iter().any(expects) && (self.left_alone > 0 || !self.failures.is_empty())
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
        found.extend(self.reapplied.iter().flatten().map(|what| format!("migrated once more: {what}")));
        found
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
    use proptest::prelude::*;

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

    /// Not compared, equal, columns in another order, something else, both.
    fn differences() -> impl Strategy<Value = Option<Differences>> {
        (0..5_u8).prop_map(|kind| {
            let some = |wanted: bool| if wanted { vec!["TABLE public.t".to_owned()] } else { Vec::new() };
            (kind > 0).then(|| Differences { column_order: some(kind == 2 || kind == 4), others: some(kind >= 3) })
        })
    }

    /// Not compared, equal, moved on, set back, a table that differs.
    fn rows() -> impl Strategy<Value = Option<RowDifferences>> {
        (0..5_u8).prop_map(|kind| {
            let some = |wanted: bool| if wanted { vec!["public.s".to_owned()] } else { Vec::new() };
            (kind > 0).then(|| RowDifferences {
                tables: some(kind == 4).into_iter().map(|name| (name, "its rows are not there".to_owned())).collect(),
                sequences: some(kind == 3),
                moved_on: some(kind == 2),
            })
        })
    }

    fn told() -> impl Strategy<Value = Vec<String>> {
        any::<bool>().prop_map(|any| if any { vec!["something".to_owned()] } else { Vec::new() })
    }

    prop_compose! {
        fn proofs()(
            schema in differences(),
            catalog in differences(),
            rows in rows(),
            failures in told(),
            unmodelled in told(),
            unmodelled_catalog in told(),
            restored_rows in 0..2_u64,
            backup_needed in any::<bool>(),
        ) -> RollbackProof {
            RollbackProof {
                schema,
                catalog,
                rows,
                failures,
                unmodelled,
                unmodelled_catalog,
                restored_rows,
                backup_needed,
                ..RollbackProof::default()
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn exact_is_never_said_with_a_part_that_is_not_equal(proof in proofs()) {
            let parts = [proof.schema(), proof.catalog(), proof.rows()];
            let all_equal = parts.iter().all(|part| *part == Comparison::Equal);
            let quiet = proof.failures.is_empty() && proof.unmodelled.is_empty();
            let from_backup = proof.restored_rows > 0 && proof.backup_needed;
            prop_assert_eq!(proof.verdict() == RollbackVerdict::Exact, all_equal && quiet && !from_backup);
        }

        #[test]
        fn nothing_is_said_to_be_back_that_was_not_compared(proof in proofs()) {
            let not_run = [proof.schema(), proof.catalog(), proof.rows()].contains(&Comparison::NotRun);
            prop_assert!(!not_run || proof.verdict() == RollbackVerdict::Irreversible);
        }

        #[test]
        fn rows_that_differ_are_never_called_restored(proof in proofs()) {
            use RollbackVerdict::{Irreversible, RowsLost};
            prop_assert!(
                proof.rows() != Comparison::Differs || matches!(proof.verdict(), RowsLost | Irreversible)
            );
        }
    }
}
