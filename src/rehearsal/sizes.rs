//! How large relations were before the run.

use super::Rehearsal;
use crate::snapshot::catalog::RelationKind;
use crate::snapshot::{Oid, RelationSize, Snapshot};
use std::collections::BTreeMap;

impl Rehearsal {
    /// Rows a relation had before, as the statistics count them; partitions are added up.
    pub fn rows_before(&self, relation: Oid) -> u64 {
        self.before_with_heirs(relation, |size| size.rows.map_or(0, |rows| rows.max(0.0) as u64))
    }

    /// Bytes a table took before, with its partitions' and what is stored out of line, without indexes.
    pub fn bytes_before(&self, relation: Oid) -> u64 {
        self.before_with_heirs(relation, |size| size.table_bytes)
    }

    fn before_with_heirs(&self, relation: Oid, of: impl Fn(&RelationSize) -> u64) -> u64 {
        let Some(before) = &self.before else { return 0 };
        let kind = before.catalog.relations.get(&relation).map(|relation| relation.kind);
        if kind != Some(RelationKind::PartitionedTable) {
            return before.sizes.get(&relation).map_or(0, of);
        }
        let mut heirs: BTreeMap<Oid, Vec<Oid>> = BTreeMap::new();
        for each in before.catalog.relations.values().filter(|each| each.is_partition) {
            if let Some(parent) = each.parent {
                heirs.entry(parent).or_default().push(each.oid);
            }
        }
        with_heirs(before, &heirs, relation, &of)
    }

    /// Rows a relation had before, by its qualified name.
    pub fn rows_of(&self, qualified: &str) -> u64 {
        let relation = self.before.iter().flat_map(|before| before.catalog.relations.values());
        relation.into_iter().find(|each| each.qualified == qualified).map_or(0, |each| self.rows_before(each.oid))
    }
}

fn with_heirs(
    before: &Snapshot,
    heirs: &BTreeMap<Oid, Vec<Oid>>,
    relation: Oid,
    of: &impl Fn(&RelationSize) -> u64,
) -> u64 {
    let own = before.sizes.get(&relation).map_or(0, of);
    let below = heirs.get(&relation).into_iter().flatten();
    own.max(below.map(|heir| with_heirs(before, heirs, *heir, of)).sum())
}
