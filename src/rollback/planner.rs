//! What has to be dropped, what put back, and what altered in place, decided from the two catalogs.
//!
//! Two rules give the whole plan. What the migration made is dropped; what it dropped or redefined is put back. And
//! whatever hangs on something that is dropped, or on a column whose type goes back, is taken down first and put back
//! from the text it had before: a server that converts a type there and back rewrites expressions on the way.

mod evaluated;
mod foreign_keys;

use super::dump::Dump;
use super::generate::Step;
use super::inverse::is_altered_in_place;
use super::names::{describe, is_table};
use crate::diff::pairing::{Pairing, addresses};
use crate::snapshot::Oid;
use crate::snapshot::by_table::ByTable;
use crate::snapshot::catalog::{Catalog, RelationKind};
use crate::snapshot::object::{Address, Class, Dependency, TypeKind};
use std::collections::{BTreeMap, BTreeSet};

/// What becomes of a surviving table's columns. A column in both lists is dropped and made again.
#[derive(Debug, Clone, Default)]
pub(super) struct TablePlan {
    /// OID before.
    pub before: Oid,
    /// OID after.
    pub after: Oid,
    /// Columns of after that are dropped.
    pub added: BTreeSet<i16>,
    /// Columns of before that are added again.
    pub dropped: BTreeSet<i16>,
    /// Columns whose type goes back.
    pub retyped: BTreeSet<i16>,
}

/// Everything decided.
pub(super) struct Plan<'a> {
    pub before: &'a Catalog,
    pub after: &'a Catalog,
    pub dump: Dump,
    pub pairing: Pairing,
    /// Objects of after, added columns, and defaults in the way.
    pub drop: BTreeSet<Address>,
    /// Objects of before.
    pub restore: BTreeSet<Address>,
    /// Surviving tables, foreign tables and partitioned tables, by OID after.
    pub tables: BTreeMap<Oid, TablePlan>,
    /// Surviving sequences (OID after) that must let go of the column they were tied to.
    pub disown: BTreeSet<Oid>,
    /// Types of before that are made anew because a change in place has no inverse, by address before and after.
    pub replaced_types: BTreeMap<Address, Address>,
    /// Columns of after whose type is one of those made anew.
    pub of_replaced_types: BTreeSet<Address>,
    /// Columns of after whose values do not fit the type they go back to: a composite type lacks an attribute.
    pub of_rebuilt_composites: BTreeSet<Address>,
    /// Casts bring converted values back, where they are known to.
    pub casts: bool,
    /// The migration can stop anywhere, and these indexes then stand by themselves: by the constraint they become part of.
    pub indexes_on_the_way: BTreeMap<String, String>,
    /// What no script undoes.
    pub unmodelled: Vec<String>,
    /// Positions of sequences are set once their parameters are back.
    pub late_positions: Vec<Step>,
    /// Ordinary indexes are built after the transaction, without blocking anybody.
    pub indexes_outside: bool,
    /// Indexes tables are clustered on, by table, before and after.
    pub clustered: [BTreeMap<Oid, Oid>; 2],
    /// What belongs to each table, before and after.
    pub by_table: [ByTable<'a>; 2],
    /// Types of typed tables, by table, before and after.
    pub of_type: [BTreeMap<Oid, Address>; 2],
    dependents: BTreeMap<Address, Vec<Dependency>>,
}

/// Looked up once: a table may have thousands of partitions.
fn clustered(catalog: &Catalog) -> BTreeMap<Oid, Oid> {
    let details = catalog.index_details.iter().filter(|(_, detail)| detail.clustered);
    details.filter_map(|(index, _)| Some((catalog.indexes.get(index)?.table, *index))).collect()
}

/// A typed table depends as a whole on its type; any other on the types of its columns alone.
fn of_type(catalog: &Catalog) -> BTreeMap<Oid, Address> {
    let on_types = catalog.dependencies.iter().filter(|found| {
        let dependent = found.dependent;
        found.referenced.class == Class::Type && dependent == Address::relation(dependent.oid)
    });
    on_types.map(|found| (found.dependent.oid, found.referenced)).collect()
}

impl<'a> Plan<'a> {
    pub(super) fn new(before: &'a Catalog, after: &'a Catalog, dump: Dump) -> Self {
        let mut dependents: BTreeMap<Address, Vec<Dependency>> = BTreeMap::new();
        for dependency in &after.dependencies {
            dependents.entry(dependency.referenced.whole()).or_default().push(*dependency);
        }
        let mut plan = Self {
            before,
            after,
            dump,
            pairing: Pairing::new(before, after),
            drop: BTreeSet::new(),
            restore: BTreeSet::new(),
            tables: BTreeMap::new(),
            disown: BTreeSet::new(),
            replaced_types: BTreeMap::new(),
            of_replaced_types: BTreeSet::new(),
            of_rebuilt_composites: BTreeSet::new(),
            casts: true,
            indexes_on_the_way: BTreeMap::new(),
            unmodelled: Vec::new(),
            late_positions: Vec::new(),
            indexes_outside: true,
            clustered: [before, after].map(clustered),
            by_table: [before, after].map(ByTable::of),
            of_type: [before, after].map(of_type),
            dependents,
        };
        plan.find_unpaired();
        plan.find_redefined();
        plan.replace_types();
        plan.find_columns();
        plan.close();
        plan.bind_foreign_keys();
        plan
    }

    /// Whether a constraint is handled with its column: `NOT NULL` has rows of its own from version 18 on.
    pub(super) fn is_not_null(catalog: &Catalog, address: Address) -> bool {
        address.class == Class::Constraint
            && catalog.constraints.get(&address.oid).is_some_and(|constraint| constraint.kind == 'n')
    }

    /// Whether the server makes it along with something else: the cast of a range type to its multirange.
    fn is_made_along(catalog: &Catalog, address: Address) -> bool {
        catalog.others.get(&address).is_some_and(|other| other.type_name == "cast")
            && catalog.dependencies.iter().any(|found| found.dependent == address && found.kind == 'i')
    }

    fn find_unpaired(&mut self) {
        for address in addresses(self.after) {
            if self.pairing.before(address).is_none()
                && !Self::is_not_null(self.after, address)
                && !Self::is_made_along(self.after, address)
                && Self::constraint_behind(self.after, address).is_none_or(|found| self.pairing.before(found).is_none())
            {
                self.drop.insert(address);
            }
        }
        for address in addresses(self.before) {
            if self.pairing.after(address).is_none()
                && !Self::is_not_null(self.before, address)
                && !Self::is_made_along(self.before, address)
                && Self::constraint_behind(self.before, address).is_none_or(|found| self.pairing.after(found).is_none())
            {
                self.restore.insert(address);
            }
        }
    }

    /// The constraint an index stands behind. Where the server built it anew, it is as much a pair as its constraint.
    fn constraint_behind(catalog: &Catalog, address: Address) -> Option<Address> {
        let index = catalog.indexes.get(&address.oid).filter(|_| address.class == Class::Relation)?;
        index.constraint.map(|constraint| Address::new(Class::Constraint, constraint))
    }

    fn find_redefined(&mut self) {
        let pairs: Vec<(Address, Address)> = self.pairing.iter().collect();
        for (before, after) in pairs {
            if before.oid == after.oid && self.is_redefined(before) {
                self.recreate(before, after);
            }
        }
    }

    fn recreate(&mut self, before: Address, after: Address) {
        self.drop.insert(after);
        self.restore.insert(before);
    }

    /// Whether an object with one OID in both catalogs was changed in a way that only making it anew takes back.
    fn is_redefined(&mut self, address: Address) -> bool {
        let (before, after, oid) = (self.before, self.after, address.oid);
        match address.class {
            Class::Relation => match before.relations.get(&oid).map(|relation| relation.kind) {
                Some(RelationKind::Index | RelationKind::PartitionedIndex) => {
                    if before.indexes.get(&oid).is_some_and(|index| index.constraint.is_some()) {
                        return false;
                    }
                    let raw = |catalog: &Catalog| catalog.index_details.get(&oid).map(|detail| detail.raw.clone());
                    let valid = |catalog: &Catalog| catalog.indexes.get(&oid).map(|index| index.valid);
                    if valid(before) == Some(false) && valid(after) == Some(true) {
                        self.unmodelled.push(format!("{} was invalid and is valid now", describe(before, address)));
                    }
                    raw(before) != raw(after) || (valid(before) == Some(true) && valid(after) == Some(false))
                }
                Some(RelationKind::View | RelationKind::MaterializedView) => {
                    let raw = |catalog: &Catalog| catalog.relation_details.get(&oid).map(|detail| detail.raw.clone());
                    let columns = |catalog: &Catalog| -> Vec<(String, Option<String>)> {
                        catalog.columns_of(oid).map(|column| (column.name.clone(), column.default.clone())).collect()
                    };
                    raw(before) != raw(after) || columns(before) != columns(after)
                }
                _ => false,
            },
            Class::Constraint => {
                let raw = |catalog: &Catalog| catalog.constraint_details.get(&oid).map(|detail| detail.raw.clone());
                !Self::is_not_null(before, address) && raw(before) != raw(after)
            }
            Class::Function => match (before.functions.get(&oid), after.functions.get(&oid)) {
                (Some(old), Some(new)) if old.raw != new.raw => {
                    let replaceable = old.definition.is_some()
                        && !old.parsed_body
                        && !new.parsed_body
                        && old.kind == new.kind
                        && old.signature == new.signature;
                    !replaceable
                }
                _ => false,
            },
            Class::Trigger | Class::Rule | Class::Policy => {
                let found = |catalog: &Catalog| {
                    let objects = match address.class {
                        Class::Trigger => &catalog.triggers,
                        Class::Rule => &catalog.rules,
                        _ => &catalog.policies,
                    };
                    objects.get(&oid).map(|object| (object.raw.clone(), object.name.clone(), object.table))
                };
                found(before) != found(after)
            }
            Class::Other(_) => {
                let (Some(old), Some(new)) = (before.others.get(&address), after.others.get(&address)) else {
                    return false;
                };
                if old.type_name == "extension" && old.raw != new.raw {
                    self.unmodelled.push(format!("settings of {} were changed", describe(before, address)));
                }
                old.raw != new.raw && !is_altered_in_place(&old.type_name)
            }
            Class::Schema | Class::Type | Class::Default => false,
        }
    }

    /// Enumerations that gained labels or changed their order are made anew, and composite types that lost an
    /// attribute; with them the types made of them.
    fn replace_types(&mut self) {
        let mut queue: Vec<(Address, Address, bool)> = Vec::new();
        let pairs: Vec<_> = self.pairing.iter().filter(|(before, _)| before.class == Class::Type).collect();
        for (before, after) in pairs {
            let (Some(old), Some(new)) = (self.before.types.get(&before.oid), self.after.types.get(&after.oid)) else {
                continue;
            };
            match (&old.kind, &new.kind) {
                (TypeKind::Enum(old_labels), TypeKind::Enum(new_labels)) if before.oid == after.oid => {
                    let order = |labels: &[(Oid, String)]| labels.iter().map(|(oid, _)| *oid).collect::<Vec<_>>();
                    if order(old_labels) == order(new_labels) {
                        continue;
                    }
                    if self.is_partition_key_type(after, 0) {
                        self.unmodelled.push(format!(
                            "labels of {} stay: a table is partitioned by a column of this type",
                            describe(self.before, before)
                        ));
                    } else {
                        queue.push((before, after, false));
                    }
                }
                (TypeKind::Composite(old_relation), TypeKind::Composite(new_relation)) => {
                    let attributes = |catalog: &Catalog, relation: Oid| -> BTreeSet<i16> {
                        catalog.columns_of(relation).map(|attribute| attribute.number).collect()
                    };
                    if !attributes(self.before, *old_relation).is_subset(&attributes(self.after, *new_relation)) {
                        queue.push((before, after, true));
                    }
                }
                (TypeKind::Range | TypeKind::Base, _) if old.raw != new.raw => {
                    self.unmodelled.push(format!("{} was changed in place", describe(self.before, before)));
                }
                _ => {}
            }
        }
        while let Some((before, after, rebuilt)) = queue.pop() {
            if self.replaced_types.insert(before, after).is_some() {
                continue;
            }
            self.recreate(before, after);
            for dependency in self.dependents_of(after) {
                let dependent = dependency.dependent;
                if dependent.whole().class == Class::Type
                    && let Some(found) = self.pairing.before(dependent.whole())
                {
                    queue.push((found, dependent.whole(), rebuilt));
                }
                if dependent.class == Class::Relation && dependent.column != 0 {
                    self.of_replaced_types.insert(dependent);
                    if rebuilt {
                        self.of_rebuilt_composites.insert(dependent);
                    }
                }
            }
        }
    }

    /// Whether some table is partitioned by a column of this type: such a column keeps its type for good.
    fn is_partition_key_type(&self, after: Address, depth: u8) -> bool {
        self.dependents_of(after).iter().any(|dependency| {
            let dependent = dependency.dependent;
            let through_type = dependent.class == Class::Type && depth < 8;
            let in_key = || {
                self.dependents_of(Address::relation(dependent.oid))
                    .iter()
                    .any(|found| found.dependent == dependent && found.kind == 'i')
            };
            (through_type && self.is_partition_key_type(dependent.whole(), depth + 1))
                || (dependent.class == Class::Relation && dependent.column != 0 && in_key())
        })
    }

    /// Everything that depends on an object, on any part of it, or on exactly this column.
    pub(super) fn dependents_of(&self, address: Address) -> Vec<Dependency> {
        self.dependents
            .get(&address.whole())
            .into_iter()
            .flatten()
            .filter(|dependency| address.column == 0 || dependency.referenced.column == address.column)
            .copied()
            .collect()
    }

    fn find_columns(&mut self) {
        let tables: Vec<(Oid, Oid)> = self
            .pairing
            .iter()
            .filter(|(before, _)| {
                before.class == Class::Relation
                    && self.before.relations.get(&before.oid).is_some_and(|relation| is_table(relation.kind))
            })
            .map(|(before, after)| (before.oid, after.oid))
            .collect();
        for (before, after) in tables {
            let mut table = TablePlan { before, after, ..TablePlan::default() };
            let numbers = |catalog: &Catalog, oid| -> BTreeSet<i16> {
                catalog.columns_of(oid).map(|column| column.number).collect()
            };
            let (old, new) = (numbers(self.before, before), numbers(self.after, after));
            table.added = &new - &old;
            table.dropped = &old - &new;
            for number in &old & &new {
                match self.column_change(before, after, number) {
                    ColumnChange::None => {}
                    ColumnChange::Retyped => {
                        table.retyped.insert(number);
                    }
                    ColumnChange::Remade => {
                        table.added.insert(number);
                        table.dropped.insert(number);
                    }
                }
            }
            self.seed_columns(&table);
            self.tables.insert(after, table);
        }
    }

    fn column_change(&self, before: Oid, after: Oid, number: i16) -> ColumnChange {
        let type_replaced = self.of_replaced_types.contains(&Address::column(after, number));
        let (Some(old), Some(new)) =
            (self.before.columns.get(&(before, number)), self.after.columns.get(&(after, number)))
        else {
            return ColumnChange::None;
        };
        let (Some(old_detail), Some(new_detail)) =
            (self.before.column_details.get(&(before, number)), self.after.column_details.get(&(after, number)))
        else {
            return ColumnChange::None;
        };
        let same_type = old_detail.type_oid == new_detail.type_oid
            && old_detail.type_modifier == new_detail.type_modifier
            && old.collation == new.collation
            && !type_replaced;
        let same_generation = old.generated == new.generated
            && (old.generated.is_none() || old_detail.default_raw == new_detail.default_raw);
        if !same_generation || (!same_type && old.generated.is_some()) {
            ColumnChange::Remade
        } else if same_type {
            ColumnChange::None
        } else {
            ColumnChange::Retyped
        }
    }

    /// Puts into `drop` what must be out of the way before a table's columns can go back.
    fn seed_columns(&mut self, table: &TablePlan) {
        for number in &table.added {
            self.drop.insert(Address::column(table.after, *number));
        }
        for number in &table.retyped {
            if self.after.columns.get(&(table.after, *number)).is_some_and(|column| column.default.is_some()) {
                self.drop.insert(Address::default_of(table.after, *number));
            }
            for dependency in self.dependents_of(Address::column(table.after, *number)) {
                if self.minds_a_type_change(dependency.dependent) {
                    self.take_down(dependency.dependent);
                }
            }
        }
    }

    /// Whether the server would rewrite this dependent on a type change instead of leaving it as it is. Plain indexes
    /// and the constraints they enforce come back the same by themselves.
    fn minds_a_type_change(&self, dependent: Address) -> bool {
        match dependent.class {
            Class::Relation => match self.after.relations.get(&dependent.oid).map(|relation| relation.kind) {
                Some(RelationKind::Index | RelationKind::PartitionedIndex) => {
                    let expressions =
                        self.after.index_details.get(&dependent.oid).is_some_and(|detail| detail.has_expressions);
                    let index = self.after.indexes.get(&dependent.oid);
                    index.is_some_and(|index| index.constraint.is_none() && (expressions || index.predicate.is_some()))
                }
                Some(RelationKind::View | RelationKind::MaterializedView) => true,
                _ => false,
            },
            Class::Constraint => self
                .after
                .constraints
                .get(&dependent.oid)
                .is_some_and(|constraint| !matches!(constraint.kind, 'p' | 'u' | 'n')),
            Class::Default => self
                .after
                .columns
                .get(&(dependent.oid, dependent.column))
                .is_some_and(|column| column.generated.is_some()),
            _ => true,
        }
    }

    /// Adds one dependent to what is dropped, and to what is put back if it was there before.
    fn take_down(&mut self, dependent: Address) -> Option<Address> {
        match dependent.class {
            Class::Default => return self.take_down_default(dependent),
            Class::Relation if dependent.column != 0 => return None,
            Class::Relation => match self.after.relations.get(&dependent.oid).map(|relation| relation.kind) {
                Some(kind) if is_table(kind) => return None,
                Some(RelationKind::Sequence) if self.pairing.before(dependent).is_some() => {
                    self.disown.insert(dependent.oid);
                    return None;
                }
                _ => {}
            },
            Class::Constraint if Self::is_not_null(self.after, dependent) => return None,
            // What the server makes along with a range type comes and goes with it.
            Class::Function if !self.after.functions.contains_key(&dependent.oid) => return None,
            Class::Type if !self.after.types.contains_key(&dependent.oid) => return None,
            Class::Other(_) if Self::is_made_along(self.after, dependent) => return None,
            _ => {}
        }
        let dependent = dependent.whole();
        if !self.drop.insert(dependent) {
            return None;
        }
        if let Some(before) = self.pairing.before(dependent) {
            self.restore.insert(before);
        }
        Some(dependent)
    }

    /// A default is dropped alone; a generated column has to be made again as a whole.
    fn take_down_default(&mut self, default: Address) -> Option<Address> {
        let (table, number) = (default.oid, default.column);
        let generated = self.after.columns.get(&(table, number)).is_some_and(|column| column.generated.is_some());
        if self.drop.contains(&Address::relation(table)) || self.drop.contains(&Address::column(table, number)) {
            return None;
        }
        if !generated {
            return self.drop.insert(default).then_some(default);
        }
        let plan = self.tables.entry(table).or_default();
        plan.added.insert(number);
        if self.pairing.relation_before(table).is_some_and(|before| self.before.columns.contains_key(&(before, number)))
        {
            plan.dropped.insert(number);
        }
        let column = Address::column(table, number);
        self.drop.insert(column).then_some(column)
    }

    fn close(&mut self) {
        let mut queue: Vec<Address> = self.drop.iter().copied().collect();
        while let Some(address) = queue.pop() {
            for dependency in self.dependents_of(address) {
                if let Some(taken) = self.take_down(dependency.dependent) {
                    queue.push(taken);
                }
            }
        }
    }

    /// Whether a relation of before is made anew.
    pub(super) fn restores_relation(&self, before: Oid) -> bool {
        self.restore.contains(&Address::relation(before))
    }

    /// Parents a surviving table has only since the migration.
    pub(super) fn new_parents(&self, table: &TablePlan) -> Vec<Oid> {
        let (Some(old), Some(new)) =
            (self.before.relation_details.get(&table.before), self.after.relation_details.get(&table.after))
        else {
            return Vec::new();
        };
        let stays = |parent: Oid| {
            self.pairing.relation_before(parent).is_some_and(|before| old.parents.contains(&before))
                && old.partition_bound == new.partition_bound
        };
        new.parents.iter().copied().filter(|parent| !stays(*parent)).collect()
    }

    /// Parents a table has after the migration that it is not cut loose from.
    pub(super) fn staying_parents(&self, after: Oid) -> Vec<Oid> {
        let new = self.tables.get(&after).map(|table| self.new_parents(table)).unwrap_or_default();
        let all = self.after.relation_details.get(&after).map(|detail| detail.parents.clone()).unwrap_or_default();
        all.into_iter().filter(|parent| !new.contains(parent)).collect()
    }

    /// Whether a parent that stays reaches this column of after with its own statements.
    pub(super) fn comes_from_parent(&self, after: Oid, number: i16) -> bool {
        let name = self.after.columns.get(&(after, number)).map(|column| &column.name);
        self.after.column_details.get(&(after, number)).is_some_and(|detail| detail.inherited)
            && self
                .staying_parents(after)
                .into_iter()
                .any(|parent| self.after.columns_of(parent).any(|found| Some(&found.name) == name))
    }

    /// The column of a parent, before, with which this one is added again.
    pub(super) fn added_with(&self, table: &TablePlan, number: i16) -> Option<(Oid, i16)> {
        let name = &self.before.columns.get(&(table.before, number))?.name;
        let inherited = self.before.column_details.get(&(table.before, number))?.inherited;
        let stays = self.staying_parents(table.after);
        let parents = self.before.relation_details.get(&table.before)?.parents.iter();
        let mut parents = parents.filter(|parent| {
            inherited && self.pairing.relation_after(**parent).is_some_and(|after| stays.contains(&after))
        });
        parents.find_map(|parent| {
            let column = self.before.columns_of(*parent).find(|column| column.name == *name)?;
            Some((*parent, column.number))
        })
    }

    /// Whether a surviving table is detached before anything else is done.
    pub(super) fn is_cut_loose(&self, after: Oid) -> bool {
        self.tables.get(&after).is_some_and(|table| !self.new_parents(table).is_empty())
    }

    /// Pairs that stay and may have to be altered in place.
    pub(super) fn staying(&self) -> Vec<(Address, Address)> {
        self.pairing.iter().filter(|(_, after)| !self.drop.contains(after)).collect()
    }
}

enum ColumnChange {
    None,
    Retyped,
    Remade,
}
