//! Foreign keys that are put back point to the index they pointed to.
//!
//! The server takes the oldest unique index over the referenced columns. Where that would be another one than before,
//! the others are made again as well, after it.

use super::Plan;
use crate::snapshot::Oid;
use crate::snapshot::catalog::Constraint;
use crate::snapshot::object::{Address, Class};
use std::collections::BTreeSet;

impl Plan<'_> {
    pub(super) fn bind_foreign_keys(&mut self) {
        loop {
            let keys: Vec<&Constraint> = self
                .restore
                .iter()
                .filter(|address| address.class == Class::Constraint)
                .filter_map(|address| self.before.constraints.get(&address.oid))
                .filter(|constraint| constraint.kind == 'f' && !constraint.inherited)
                .collect();
            let in_the_way: BTreeSet<Address> = keys.into_iter().flat_map(|key| self.taken_instead(key)).collect();
            if in_the_way.is_empty() {
                break;
            }
            for after in in_the_way {
                if let Some(before) = self.pairing.before(after) {
                    self.recreate(before, after);
                }
            }
            self.close();
        }
    }

    /// Indexes of after that stay and would be taken before the one a foreign key pointed to.
    fn taken_instead(&self, key: &Constraint) -> Vec<Address> {
        let wanted = self.before.constraint_details.get(&key.oid).and_then(|detail| detail.index);
        let Some((table, wanted)) = key.references.zip(wanted) else { return Vec::new() };
        let Some(after) = self.pairing.relation_after(table) else { return Vec::new() };
        let columns: BTreeSet<i16> = self
            .before
            .columns_of(table)
            .filter(|column| key.referenced_columns.contains(&column.name))
            .map(|column| column.number)
            .collect();
        let stays = |address: &Address| !self.drop.contains(address);
        let wanted = self
            .pairing
            .relation_after(wanted)
            .filter(|found| stays(&self.enforcing(self.after, *found)) && stays(&Address::relation(*found)));
        let fits = |oid: &Oid| {
            let (Some(index), Some(detail)) = (self.after.indexes.get(oid), self.after.index_details.get(oid)) else {
                return false;
            };
            let keys = detail.attributes.get(..index.key_count);
            let deferrable = index.constraint.and_then(|found| self.after.constraint_details.get(&found));
            index.table == after
                && index.unique
                && index.valid
                && index.predicate.is_none()
                && !detail.has_expressions
                && keys.is_some_and(|keys| keys.len() == columns.len() && keys.iter().all(|key| columns.contains(key)))
                && !deferrable.is_some_and(|detail| detail.deferrable)
        };
        self.after
            .indexes
            .keys()
            .filter(|oid| wanted.is_none_or(|wanted| **oid < wanted) && fits(oid))
            .map(|oid| self.enforcing(self.after, *oid))
            .filter(|address| stays(address) && self.pairing.before(*address).is_some())
            .collect()
    }

    /// The constraint behind an index, or the index itself.
    fn enforcing(&self, catalog: &crate::snapshot::catalog::Catalog, index: Oid) -> Address {
        let constraint = catalog.indexes.get(&index).and_then(|index| index.constraint);
        constraint.map_or(Address::relation(index), |constraint| Address::new(Class::Constraint, constraint))
    }
}
