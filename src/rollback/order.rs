//! In which order objects of after are dropped: whatever hangs on something goes before it.

use super::names::is_table;
use super::planner::Plan;
use crate::snapshot::catalog::RelationKind;
use crate::snapshot::object::{Address, Class};
use std::collections::{BTreeMap, BTreeSet};

/// The drops, in order.
#[derive(Debug, Default)]
pub(super) struct DropOrder {
    /// Before anything else is changed.
    pub first: Vec<Address>,
    /// Once the surviving columns and objects no longer need them: types, schemas, extensions.
    pub last: Vec<Address>,
    /// Foreign keys between tables that reference each other in a circle: dropped before all else.
    pub circular: Vec<Address>,
}

impl Plan<'_> {
    /// Orders everything that needs a statement of its own to be dropped.
    pub(super) fn drop_order(&self) -> DropOrder {
        let nodes: BTreeSet<Address> =
            self.drop.iter().copied().filter(|node| self.container(*node).is_none()).collect();
        let mut waits_for: BTreeMap<Address, BTreeSet<Address>> =
            nodes.iter().map(|node| (*node, BTreeSet::new())).collect();
        let mut needed_by_survivors = BTreeSet::new();
        for dependency in &self.after.dependencies {
            let Some(referenced) = self.node(dependency.referenced) else { continue };
            match self.node(dependency.dependent) {
                Some(dependent) if dependent != referenced => {
                    waits_for.entry(referenced).or_default().insert(dependent);
                }
                Some(_) => {}
                None if self.lets_go_by_itself(dependency.dependent, referenced) => {}
                None => {
                    needed_by_survivors.insert(referenced);
                }
            }
        }
        let mut order = DropOrder::default();
        let sorted = self.sort(nodes, waits_for.clone(), &mut order.circular);
        let postponed = self.postponed(&sorted, &waits_for, needed_by_survivors);
        for node in sorted {
            if postponed.contains(&node) { order.last.push(node) } else { order.first.push(node) }
        }
        order
    }

    /// What a survivor depends on waits until it no longer does, and so does whatever that depends on.
    fn postponed(
        &self,
        sorted: &[Address],
        waits_for: &BTreeMap<Address, BTreeSet<Address>>,
        needed_by_survivors: BTreeSet<Address>,
    ) -> BTreeSet<Address> {
        let mut postponed = needed_by_survivors;
        postponed.extend(sorted.iter().copied().filter(|node| self.is_framework(*node)));
        // Dependents stand before what they depend on, so one way through the order is enough.
        for node in sorted {
            if waits_for.get(node).is_some_and(|dependents| dependents.iter().any(|found| postponed.contains(found))) {
                postponed.insert(*node);
            }
        }
        postponed
    }

    fn is_framework(&self, node: Address) -> bool {
        match node.class {
            Class::Schema => true,
            Class::Other(_) => self.after.others.get(&node).is_some_and(|other| other.type_name == "extension"),
            _ => false,
        }
    }

    /// A surviving dependent that an earlier statement cuts loose: a partition that is detached, a child that no
    /// longer inherits, a sequence that lets go of its column, a default that is dropped.
    fn lets_go_by_itself(&self, dependent: Address, referenced: Address) -> bool {
        let kind = |address: Address| self.after.relations.get(&address.oid).map(|relation| relation.kind);
        match dependent.class {
            // `NOT NULL` goes with its column.
            Class::Constraint => Self::is_not_null(self.after, dependent),
            Class::Relation => {
                let both_tables = kind(dependent).is_some_and(is_table)
                    && referenced.class == Class::Relation
                    && kind(referenced).is_some_and(is_table)
                    && dependent.column == 0;
                both_tables || (kind(dependent) == Some(RelationKind::Sequence) && self.disown.contains(&dependent.oid))
            }
            _ => false,
        }
    }

    /// The statement of its own that drops this address, if anything does.
    fn node(&self, address: Address) -> Option<Address> {
        let mut address = if self.drop.contains(&address) {
            address
        } else if self.drop.contains(&address.whole()) && address.class != Class::Default {
            address.whole()
        } else {
            // Part of something that is dropped as a whole.
            self.container(address)?
        };
        while let Some(container) = self.container(address) {
            address = container;
        }
        Some(address)
    }

    /// The dropped object whose `DROP` takes this one along.
    pub(super) fn container(&self, address: Address) -> Option<Address> {
        let (after, oid) = (self.after, address.oid);
        let dropped = |address: Address| self.drop.contains(&address).then_some(address);
        let table = |oid| dropped(Address::relation(oid));
        match address.class {
            Class::Relation if address.column != 0 => table(oid),
            Class::Relation => {
                let relation = after.relations.get(&oid)?;
                match relation.kind {
                    RelationKind::Index | RelationKind::PartitionedIndex => {
                        let index = after.indexes.get(&oid)?;
                        let parent = after.index_details.get(&oid).and_then(|detail| detail.parent);
                        let constraint = index.constraint.map(|found| Address::new(Class::Constraint, found));
                        // Once its table is detached, an index is on its own.
                        let parent = parent.filter(|_| !self.is_cut_loose(index.table));
                        constraint.and_then(dropped).or_else(|| parent.and_then(table)).or_else(|| table(index.table))
                    }
                    RelationKind::Sequence => {
                        let (owner, column) = after.sequences.get(&oid)?.owned_by?;
                        table(owner).or_else(|| dropped(Address::column(owner, column)))
                    }
                    kind if is_table(kind) && relation.is_partition => relation.parent.and_then(table),
                    _ => None,
                }
            }
            Class::Default => table(oid).or_else(|| dropped(Address::column(oid, address.column))),
            Class::Constraint => {
                let constraint = after.constraints.get(&oid)?;
                let detail = after.constraint_details.get(&oid)?;
                if let Some(domain) = detail.domain {
                    return dropped(Address::new(Class::Type, domain));
                }
                let owner = constraint.table?;
                if self.is_cut_loose(owner) {
                    return table(owner);
                }
                table(owner)
                    .or_else(|| detail.parent.and_then(|parent| dropped(Address::new(Class::Constraint, parent))))
                    .or_else(|| {
                        let parents = constraint.inherited.then(|| after.relation_details.get(&owner))??.parents.iter();
                        let of_parents = parents.flat_map(|parent| self.by_table[1].constraints(*parent));
                        let mut same = of_parents.filter(|(_, found)| found.name == constraint.name);
                        same.find_map(|(oid, _)| dropped(Address::new(Class::Constraint, oid)))
                    })
            }
            Class::Trigger => {
                let trigger = after.triggers.get(&oid)?;
                table(trigger.table)
                    .or_else(|| trigger.parent.and_then(|parent| dropped(Address::new(Class::Trigger, parent))))
            }
            Class::Rule => table(after.rules.get(&oid)?.table),
            Class::Policy => table(after.policies.get(&oid)?.table),
            Class::Other(_) => self.after.dependencies.iter().find_map(|dependency| {
                let owner = dependency.referenced;
                let tied = dependency.dependent == address && matches!(dependency.kind, 'a' | 'i');
                if tied && owner.whole() != address { dropped(owner.whole()) } else { None }
            }),
            Class::Schema | Class::Type | Class::Function => None,
        }
    }

    fn sort(
        &self,
        mut nodes: BTreeSet<Address>,
        mut waits_for: BTreeMap<Address, BTreeSet<Address>>,
        circular: &mut Vec<Address>,
    ) -> Vec<Address> {
        let mut sorted = Vec::new();
        let mut cut = false;
        let mut awaited_by: BTreeMap<Address, Vec<Address>> = BTreeMap::new();
        for (node, dependents) in &mut waits_for {
            dependents.retain(|dependent| nodes.contains(dependent));
            for dependent in dependents.iter() {
                awaited_by.entry(*dependent).or_default().push(*node);
            }
        }
        let is_free = |waits_for: &BTreeMap<Address, BTreeSet<Address>>, node: &Address| {
            waits_for.get(node).is_none_or(BTreeSet::is_empty)
        };
        let ranked = |node: Address| (rank(self, node), node);
        let mut free: BTreeSet<(u8, Address)> =
            nodes.iter().filter(|node| is_free(&waits_for, node)).map(|node| ranked(*node)).collect();
        while let Some(lowest) = nodes.first().copied() {
            let next = match free.pop_last() {
                Some((_, node)) => node,
                None if !cut => {
                    // Tables that wait for each other do so by foreign keys, which can go first.
                    cut = true;
                    for (key, table, referenced) in self.foreign_keys_between(&nodes) {
                        circular.push(key);
                        waits_for.entry(referenced).or_default().remove(&table);
                    }
                    free = nodes.iter().filter(|node| is_free(&waits_for, node)).map(|node| ranked(*node)).collect();
                    continue;
                }
                None => lowest,
            };
            nodes.remove(&next);
            sorted.push(next);
            for node in awaited_by.remove(&next).into_iter().flatten() {
                let dependents = waits_for.entry(node).or_default();
                if dependents.remove(&next) && dependents.is_empty() && nodes.contains(&node) {
                    free.insert(ranked(node));
                }
            }
        }
        circular.sort_unstable();
        circular.dedup();
        sorted
    }

    /// Foreign keys between two different dropped tables: key, its table, referenced table.
    fn foreign_keys_between(&self, nodes: &BTreeSet<Address>) -> Vec<(Address, Address, Address)> {
        self.after
            .constraints
            .values()
            .filter(|found| found.kind == 'f' && found.table != found.references && !found.inherited)
            .filter_map(|found| {
                let (table, referenced) = (Address::relation(found.table?), Address::relation(found.references?));
                let both = nodes.contains(&table) && nodes.contains(&referenced);
                both.then_some((Address::new(Class::Constraint, found.oid), table, referenced))
            })
            .collect()
    }
}

/// Small things first where nothing else decides: it reads better, and drops the cheap locks first.
fn rank(plan: &Plan<'_>, node: Address) -> u8 {
    match node.class {
        Class::Policy => 10,
        Class::Trigger => 9,
        Class::Rule => 8,
        Class::Constraint => match plan.after.constraints.get(&node.oid).map(|constraint| constraint.kind) {
            Some('f') => 7,
            _ => 6,
        },
        Class::Relation if node.column != 0 => 3,
        Class::Relation => match plan.after.relations.get(&node.oid).map(|relation| relation.kind) {
            Some(RelationKind::View | RelationKind::MaterializedView) => 7,
            Some(RelationKind::Index | RelationKind::PartitionedIndex) => 5,
            Some(RelationKind::Sequence) => 2,
            _ => 3,
        },
        Class::Default => 4,
        Class::Function => 2,
        Class::Other(_) => 5,
        Class::Type => 1,
        Class::Schema => 0,
    }
}
