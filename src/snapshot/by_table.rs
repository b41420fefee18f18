//! What belongs to each table of a catalog: looked up once, as there may be thousands of tables with as many of each.

use super::Oid;
use super::catalog::{Catalog, Constraint, Index};
use super::object::TableObject;
use std::collections::BTreeMap;

type Grouped<'a, T> = BTreeMap<Oid, Vec<(Oid, &'a T)>>;

/// Parts of a catalog by the table they belong to, in the order of their OIDs.
#[derive(Debug, Default)]
pub struct ByTable<'a> {
    constraints: Grouped<'a, Constraint>,
    indexes: Grouped<'a, Index>,
    triggers: Grouped<'a, TableObject>,
    policies: Grouped<'a, TableObject>,
}

impl<'a> ByTable<'a> {
    /// Looks them up.
    pub fn of(catalog: &'a Catalog) -> Self {
        Self {
            constraints: grouped(&catalog.constraints, |constraint| constraint.table),
            indexes: grouped(&catalog.indexes, |index| Some(index.table)),
            triggers: grouped(&catalog.triggers, |trigger| Some(trigger.table)),
            policies: grouped(&catalog.policies, |policy| Some(policy.table)),
        }
    }

    /// Constraints of a table, with their OIDs.
    pub fn constraints(&self, table: Oid) -> impl Iterator<Item = (Oid, &'a Constraint)> {
        all(&self.constraints, table)
    }

    /// Indexes on a table, with their OIDs.
    pub fn indexes(&self, table: Oid) -> impl Iterator<Item = (Oid, &'a Index)> {
        all(&self.indexes, table)
    }

    /// Triggers on a table, with their OIDs.
    pub fn triggers(&self, table: Oid) -> impl Iterator<Item = (Oid, &'a TableObject)> {
        all(&self.triggers, table)
    }

    /// Policies of a table, with their OIDs.
    pub fn policies(&self, table: Oid) -> impl Iterator<Item = (Oid, &'a TableObject)> {
        all(&self.policies, table)
    }
}

fn grouped<T>(each: &BTreeMap<Oid, T>, table: impl Fn(&T) -> Option<Oid>) -> Grouped<'_, T> {
    let mut grouped = Grouped::new();
    for (oid, one) in each {
        if let Some(table) = table(one) {
            grouped.entry(table).or_default().push((*oid, one));
        }
    }
    grouped
}

fn all<'a, T>(grouped: &Grouped<'a, T>, table: Oid) -> impl Iterator<Item = (Oid, &'a T)> {
    grouped.get(&table).into_iter().flatten().copied()
}
