//! Which object before is which object after: by OID, and for what was dropped and made again exactly as it was, by
//! name and definition.

use crate::snapshot::Oid;
use crate::snapshot::catalog::{Catalog, RelationKind};
use crate::snapshot::object::{Address, Class};
use std::collections::{BTreeMap, BTreeSet};

/// Objects of two catalogs that are the same.
#[derive(Debug, Clone, Default)]
pub struct Pairing {
    after: BTreeMap<Address, Address>,
    before: BTreeMap<Address, Address>,
}

impl Pairing {
    /// Pairs two catalogs of one database. Tables are only ever paired by OID: one made again has lost its rows.
    pub fn new(before: &Catalog, after: &Catalog) -> Self {
        let mut pairing = Self::default();
        let after_addresses: BTreeSet<Address> = addresses(after).into_iter().collect();
        let before_addresses = addresses(before);
        for address in &before_addresses {
            if after_addresses.contains(address) && same_kind(before, after, *address) {
                pairing.pair(*address, *address);
            }
        }
        // What has other objects hanging on it goes first: an index is only the same on the same table.
        for class in [Class::Schema, Class::Type, Class::Relation, Class::Function, Class::Constraint] {
            pairing.pair_recreated(before, after, &before_addresses, &after_addresses, |found| found == class);
        }
        pairing.pair_recreated(before, after, &before_addresses, &after_addresses, |_| true);
        pairing
    }

    /// What became of an object; for a column of a paired table, the same column.
    pub fn after(&self, before: Address) -> Option<Address> {
        let whole = self.after.get(&before.whole()).copied()?;
        Some(Address { column: before.column, ..whole })
    }

    /// What an object was.
    pub fn before(&self, after: Address) -> Option<Address> {
        let whole = self.before.get(&after.whole()).copied()?;
        Some(Address { column: after.column, ..whole })
    }

    /// OID after, for a relation.
    pub fn relation_after(&self, before: Oid) -> Option<Oid> {
        self.after(Address::relation(before)).map(|address| address.oid)
    }

    /// OID before, for a relation.
    pub fn relation_before(&self, after: Oid) -> Option<Oid> {
        self.before(Address::relation(after)).map(|address| address.oid)
    }

    /// All pairs, before first.
    pub fn iter(&self) -> impl Iterator<Item = (Address, Address)> + '_ {
        self.after.iter().map(|(before, after)| (*before, *after))
    }

    fn pair(&mut self, before: Address, after: Address) {
        self.after.insert(before, after);
        self.before.insert(after, before);
    }

    fn pair_recreated(
        &mut self,
        before: &Catalog,
        after: &Catalog,
        before_addresses: &[Address],
        after_addresses: &BTreeSet<Address>,
        wanted: impl Fn(Class) -> bool,
    ) {
        let mut by_identity: BTreeMap<Identity, Address> = BTreeMap::new();
        for address in after_addresses.iter().filter(|address| wanted(address.class)) {
            if !self.before.contains_key(address)
                && let Some(identity) = identity(after, *address, |table| self.relation_before(table))
            {
                by_identity.insert(identity, *address);
            }
        }
        for address in before_addresses.iter().filter(|address| wanted(address.class)) {
            if !self.after.contains_key(address)
                && let Some(identity) = identity(before, *address, Some)
                && let Some(found) = by_identity.remove(&identity)
            {
                self.pair(*address, found);
            }
        }
    }
}

/// Every object of a catalog that people made, columns and defaults left out.
pub fn addresses(catalog: &Catalog) -> Vec<Address> {
    let mut all: Vec<Address> = Vec::new();
    all.extend(
        catalog
            .schemas
            .iter()
            .filter(|(_, schema)| schema.extension.is_none())
            .map(|(oid, _)| Address::new(Class::Schema, *oid)),
    );
    all.extend(catalog.types.keys().map(|oid| Address::new(Class::Type, *oid)));
    all.extend(
        catalog
            .relations
            .values()
            .filter(|relation| relation.extension.is_none() && relation.kind != RelationKind::CompositeType)
            .map(|relation| Address::relation(relation.oid)),
    );
    all.extend(catalog.functions.keys().map(|oid| Address::new(Class::Function, *oid)));
    all.extend(
        catalog
            .constraints
            .values()
            .filter(|constraint| !constraint.table.is_some_and(|table| catalog.is_extension_member(table)))
            .map(|constraint| Address::new(Class::Constraint, constraint.oid)),
    );
    for (class, objects) in
        [(Class::Rule, &catalog.rules), (Class::Trigger, &catalog.triggers), (Class::Policy, &catalog.policies)]
    {
        all.extend(
            objects
                .iter()
                .filter(|(_, object)| !catalog.is_extension_member(object.table))
                .map(|(oid, _)| Address::new(class, *oid)),
        );
    }
    all.extend(catalog.others.keys().copied());
    all
}

/// A server may give a freed OID again, to something else.
fn same_kind(before: &Catalog, after: &Catalog, address: Address) -> bool {
    match address.class {
        Class::Relation => {
            before.relations.get(&address.oid).map(|relation| relation.kind)
                == after.relations.get(&address.oid).map(|relation| relation.kind)
        }
        _ => true,
    }
}

type Identity = (Class, Option<Oid>, String, String);

/// What makes a recreated object the same one: class, table, name, definition. None where a recreated object is
/// always another one.
fn identity(catalog: &Catalog, address: Address, table_before: impl Fn(Oid) -> Option<Oid>) -> Option<Identity> {
    let oid = address.oid;
    let on = |table: Oid| table_before(table).map(Some);
    let (table, name, definition) = match address.class {
        Class::Schema => (None, catalog.schemas.get(&oid)?.name.clone(), String::new()),
        Class::Type => {
            let found = catalog.types.get(&oid)?;
            let crate::snapshot::object::TypeKind::Enum(labels) = &found.kind else { return None };
            let labels: Vec<&str> = labels.iter().map(|(_, label)| label.as_str()).collect();
            (None, found.qualified.clone(), labels.join("\u{1f}"))
        }
        Class::Relation => {
            let relation = catalog.relations.get(&oid)?;
            match relation.kind {
                RelationKind::Index | RelationKind::PartitionedIndex => {
                    let index = catalog.indexes.get(&oid)?;
                    (on(index.table)?, relation.qualified.clone(), format!("{} {}", index.definition, index.valid))
                }
                RelationKind::View | RelationKind::MaterializedView => {
                    // A view and a materialized view may have the same query.
                    let query = catalog.relation_details.get(&oid)?.view.as_ref()?;
                    (None, relation.qualified.clone(), format!("{:?} {query}", relation.kind))
                }
                _ => return None,
            }
        }
        Class::Function => {
            let function = catalog.functions.get(&oid)?;
            (None, function.identity.clone(), function.definition.clone()?)
        }
        Class::Constraint => {
            let constraint = catalog.constraints.get(&oid)?;
            (on(constraint.table?)?, constraint.name.clone(), constraint.definition.clone())
        }
        Class::Rule => {
            let object = catalog.rules.get(&oid)?;
            (on(object.table)?, object.name.clone(), object.definition.clone())
        }
        Class::Trigger => {
            let object = catalog.triggers.get(&oid)?;
            (on(object.table)?, object.name.clone(), object.definition.clone())
        }
        Class::Policy => {
            let object = catalog.policies.get(&oid)?;
            (on(object.table)?, object.name.clone(), object.definition.clone())
        }
        Class::Other(_) => {
            let object = catalog.others.get(&address)?;
            (None, object.identity.clone(), object.definition.clone().unwrap_or_else(|| object.raw.clone()))
        }
        Class::Default => return None,
    };
    Some((address.class, table, name, definition))
}
