//! What a script dropped and made again by name is the same to whoever reads its lines: a column added again has another
//! number than before, a table made again another OID. Lines that drop it once more to make it a third time help nobody.

use crate::snapshot::Oid;
use crate::snapshot::catalog::{Catalog, RelationKind};
use crate::snapshot::object::{Address, Class, TypeKind};
use std::collections::{BTreeMap, BTreeSet};

/// The catalog before, in which what `after` has under another OID or number bears that one.
pub(super) fn adopt(before: &Catalog, after: &Catalog) -> Catalog {
    let new = Numbers::find(before, after);
    if new.relations.is_empty() && new.types.is_empty() && new.columns.is_empty() {
        before.clone()
    } else {
        new.apply(before, after)
    }
}

/// New numbers of what was made again.
#[derive(Debug, Default)]
struct Numbers {
    relations: BTreeMap<Oid, Oid>,
    types: BTreeMap<Oid, Oid>,
    /// By table before and number before.
    columns: BTreeMap<(Oid, i16), i16>,
}

/// Kinds that other objects hang on, and that are told by their name. Indexes and views are told by what they say.
fn is_adopted(kind: RelationKind) -> bool {
    matches!(
        kind,
        RelationKind::Table
            | RelationKind::PartitionedTable
            | RelationKind::ForeignTable
            | RelationKind::Sequence
            | RelationKind::CompositeType
    )
}

impl Numbers {
    fn find(before: &Catalog, after: &Catalog) -> Self {
        let mut found = Self::default();
        let made: BTreeMap<(&str, RelationKind), Oid> = after
            .relations
            .values()
            .filter(|relation| is_adopted(relation.kind) && !before.relations.contains_key(&relation.oid))
            .map(|relation| ((relation.qualified.as_str(), relation.kind), relation.oid))
            .collect();
        let gone = before.relations.values().filter(|relation| !after.relations.contains_key(&relation.oid));
        for relation in gone {
            if let Some(oid) = made.get(&(relation.qualified.as_str(), relation.kind)) {
                found.relations.insert(relation.oid, *oid);
            }
        }
        let made: BTreeMap<&str, (Oid, &TypeKind)> = after
            .types
            .iter()
            .filter(|(oid, _)| !before.types.contains_key(oid))
            .map(|(oid, made)| (made.qualified.as_str(), (*oid, &made.kind)))
            .collect();
        for (oid, gone) in before.types.iter().filter(|(oid, _)| !after.types.contains_key(oid)) {
            let alike = made.get(gone.qualified.as_str()).filter(|(_, kind)| {
                // Enumerations are told by their labels; bases and ranges cannot be told apart further.
                match (&gone.kind, kind) {
                    (TypeKind::Enum(gone), TypeKind::Enum(made)) => {
                        gone.iter().map(|(_, label)| label).eq(made.iter().map(|(_, label)| label))
                    }
                    (TypeKind::Domain { .. }, TypeKind::Domain { .. })
                    | (TypeKind::Composite(_), TypeKind::Composite(_)) => true,
                    _ => false,
                }
            });
            if let Some((made, _)) = alike {
                found.types.insert(*oid, *made);
            }
        }
        found.row_types(before, after);
        for relation in before.relations.values() {
            found.columns_of(before, after, relation.oid);
        }
        found
    }

    /// A table made again has another row type, too.
    fn row_types(&mut self, before: &Catalog, after: &Catalog) {
        for (old, new) in &self.relations {
            if let (Some(old), Some(new)) = (before.relation_details.get(old), after.relation_details.get(new)) {
                self.types.insert(old.row_type, new.row_type);
            }
        }
    }

    fn columns_of(&mut self, before: &Catalog, after: &Catalog, table: Oid) {
        let now = self.relations.get(&table).copied().unwrap_or(table);
        if !after.relations.contains_key(&now) {
            return;
        }
        let made_again = now != table;
        let known: BTreeSet<i16> = before.columns_of(table).map(|column| column.number).collect();
        // In a table that survived, numbers tell columns: only new ones can be some that were made again.
        let fresh = after.columns_of(now).filter(|column| made_again || !known.contains(&column.number));
        let by_name: BTreeMap<&str, i16> = fresh.map(|column| (column.name.as_str(), column.number)).collect();
        let kept = |number: i16| !made_again && after.columns.contains_key(&(now, number));
        let highest = before.columns_of(table).chain(after.columns_of(now)).map(|column| column.number).max();
        let mut free = highest.unwrap_or_default();
        for column in before.columns_of(table).filter(|column| !kept(column.number)) {
            match by_name.get(column.name.as_str()) {
                Some(number) => {
                    self.columns.insert((table, column.number), *number);
                }
                // What is missing keeps out of the way of what is there.
                None if made_again => {
                    free = free.saturating_add(1);
                    self.columns.insert((table, column.number), free);
                }
                None => {}
            }
        }
    }

    fn relation(&self, oid: Oid) -> Oid {
        self.relations.get(&oid).copied().unwrap_or(oid)
    }

    fn type_(&self, oid: Oid) -> Oid {
        self.types.get(&oid).copied().unwrap_or(oid)
    }

    fn column(&self, table: Oid, number: i16) -> i16 {
        self.columns.get(&(table, number)).copied().unwrap_or(number)
    }

    fn address(&self, address: Address) -> Address {
        match address.class {
            Class::Relation | Class::Default => {
                Address { oid: self.relation(address.oid), column: self.column(address.oid, address.column), ..address }
            }
            Class::Type => Address { oid: self.type_(address.oid), ..address },
            _ => address,
        }
    }

    fn apply(&self, before: &Catalog, after: &Catalog) -> Catalog {
        let mut catalog = before.clone();
        let relation = |oid: Oid| self.relation(oid);
        catalog.relations = rekeyed(catalog.relations, relation, |found| {
            found.oid = self.relation(found.oid);
            found.parent = found.parent.map(relation);
        });
        catalog.relation_details = rekeyed(catalog.relation_details, relation, |found| {
            found.parents.iter_mut().for_each(|parent| *parent = self.relation(*parent));
            found.row_type = self.type_(found.row_type);
        });
        let column = |(table, number): (Oid, i16)| (self.relation(table), self.column(table, number));
        let columns = std::mem::take(&mut catalog.columns);
        catalog.columns = columns
            .into_iter()
            .map(|(key, mut found)| {
                found.number = self.column(key.0, key.1);
                (column(key), found)
            })
            .collect();
        catalog.column_details =
            rekeyed(catalog.column_details, column, |found| found.type_oid = self.type_(found.type_oid));
        for (key, found) in &catalog.columns {
            // Digests hold numbers: an expression that reads the same is the same.
            let same_text = after.columns.get(key).is_some_and(|now| now.default == found.default);
            if let (true, Some(old), Some(new)) =
                (same_text, catalog.column_details.get_mut(key), after.column_details.get(key))
            {
                old.default_raw.clone_from(&new.default_raw);
            }
        }
        for (oid, index) in &mut catalog.indexes {
            let table = index.table;
            index.table = self.relation(table);
            if let Some(detail) = catalog.index_details.get_mut(oid) {
                detail.attributes.iter_mut().for_each(|number| *number = self.column(table, *number));
            }
        }
        for constraint in catalog.constraints.values_mut() {
            constraint.table = constraint.table.map(relation);
            constraint.references = constraint.references.map(relation);
        }
        for detail in catalog.constraint_details.values_mut() {
            detail.domain = detail.domain.map(|domain| self.type_(domain));
        }
        catalog.sequences = rekeyed(catalog.sequences, relation, |found| {
            found.owned_by = found.owned_by.map(column);
        });
        catalog.types = rekeyed(
            catalog.types,
            |oid| self.type_(oid),
            |found| {
                if let TypeKind::Composite(attributes) = &mut found.kind {
                    *attributes = self.relation(*attributes);
                }
            },
        );
        for oid in self.types.values() {
            if let (Some(old), Some(new)) = (catalog.types.get_mut(oid), after.types.get(oid))
                && matches!(new.kind, TypeKind::Enum(_))
            {
                // Labels have numbers of their own, and are the same in all else.
                old.kind.clone_from(&new.kind);
                old.raw.clone_from(&new.raw);
            }
        }
        for objects in [&mut catalog.triggers, &mut catalog.rules, &mut catalog.policies] {
            for object in objects.values_mut() {
                object.table = self.relation(object.table);
            }
        }
        for dependency in &mut catalog.dependencies {
            dependency.dependent = self.address(dependency.dependent);
            dependency.referenced = self.address(dependency.referenced);
        }
        catalog
    }
}

/// The same values under other keys.
fn rekeyed<K: Ord + Copy, V>(
    map: BTreeMap<K, V>,
    key: impl Fn(K) -> K,
    mut change: impl FnMut(&mut V),
) -> BTreeMap<K, V> {
    map.into_iter()
        .map(|(old, mut value)| {
            change(&mut value);
            (key(old), value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::catalog::{Column, ColumnDetail, Relation};
    use crate::snapshot::object::{Sequence, Type};

    fn relation(oid: Oid, name: &str, kind: RelationKind) -> Relation {
        Relation::new(oid, "public", name, kind)
    }

    fn catalog(table: Oid, columns: &[(i16, &str)]) -> Catalog {
        let mut catalog = Catalog::default();
        catalog.relations.insert(table, relation(table, "t", RelationKind::Table));
        for (number, name) in columns {
            let column = Column {
                number: *number,
                name: (*name).to_owned(),
                type_name: "integer".to_owned(),
                not_null: false,
                default: Some("1".to_owned()),
                identity: None,
                generated: None,
                collation: None,
            };
            catalog.columns.insert((table, *number), column);
            let default_raw = format!("{table} {number}");
            catalog.column_details.insert((table, *number), ColumnDetail { default_raw, ..ColumnDetail::default() });
        }
        catalog
    }

    fn numbers(catalog: &Catalog, table: Oid) -> Vec<(i16, &str)> {
        catalog.columns_of(table).map(|column| (column.number, column.name.as_str())).collect()
    }

    #[test]
    fn a_column_made_again_bears_its_new_number() {
        let before = catalog(1, &[(1, "a"), (2, "b"), (3, "c")]);
        let after = catalog(1, &[(1, "a"), (3, "c"), (4, "b")]);
        let adopted = adopt(&before, &after);
        assert_eq!(numbers(&adopted, 1), [(1, "a"), (3, "c"), (4, "b")]);
        assert_eq!(adopted.columns[&(1, 4)].number, 4);
        assert_eq!(adopted.column_details[&(1, 4)].default_raw, after.column_details[&(1, 4)].default_raw);
    }

    #[test]
    fn a_column_that_took_over_a_name_under_an_old_number_is_another_one() {
        let before = catalog(1, &[(1, "a"), (2, "b")]);
        // b is gone, and a was given its name.
        assert_eq!(adopt(&before, &catalog(1, &[(1, "b")])), before);
    }

    #[test]
    fn in_a_table_made_again_what_is_missing_keeps_out_of_the_way() {
        let mut before = catalog(1, &[(1, "a"), (2, "b"), (3, "c")]);
        before.relations.insert(9, relation(9, "s", RelationKind::Sequence));
        before.sequences.insert(9, Sequence { owned_by: Some((1, 3)), ..Sequence::default() });
        let on_column = |number| Address::column(1, number);
        let dependency =
            |dependent, referenced| crate::snapshot::object::Dependency { dependent, referenced, kind: 'a' };
        before.dependencies.push(dependency(Address::relation(9), on_column(3)));
        let after = catalog(7, &[(1, "c"), (2, "b")]);
        let adopted = adopt(&before, &after);
        assert_eq!(numbers(&adopted, 7), [(1, "c"), (2, "b"), (4, "a")]);
        assert_eq!(adopted.relations.keys().collect::<Vec<_>>(), [&7, &9]);
        assert_eq!(adopted.sequences[&9].owned_by, Some((7, 1)));
        assert_eq!(adopted.dependencies[0].referenced, Address::column(7, 1));
    }

    #[test]
    fn an_enumeration_made_again_with_its_labels_is_the_same() {
        let of = |oid: Oid, labels: &[(Oid, &str)]| {
            let mut catalog = catalog(1, &[(1, "a")]);
            let kind = TypeKind::Enum(labels.iter().map(|(oid, label)| (*oid, (*label).to_owned())).collect());
            let made = Type {
                schema: "public".to_owned(),
                name: "mood".to_owned(),
                qualified: "public.mood".to_owned(),
                kind,
                owner: "app".to_owned(),
                acl: Vec::new(),
                comment: None,
                raw: oid.to_string(),
            };
            catalog.types.insert(oid, made);
            catalog.column_details.entry((1, 1)).and_modify(|detail| detail.type_oid = oid);
            catalog
        };
        let (before, after) = (of(5, &[(6, "ok"), (7, "sad")]), of(15, &[(16, "ok"), (17, "sad")]));
        let adopted = adopt(&before, &after);
        assert_eq!(adopted.types, after.types);
        assert_eq!(adopted.column_details[&(1, 1)].type_oid, 15);
        let more = of(15, &[(16, "ok"), (17, "sad"), (18, "great")]);
        assert_eq!(adopt(&before, &more), before);
    }

    #[test]
    fn what_is_of_another_kind_or_was_there_before_is_not_taken_for_it() {
        let mut before = catalog(1, &[(1, "a")]);
        let mut after = Catalog::default();
        after.relations.insert(7, relation(7, "t", RelationKind::View));
        assert_eq!(adopt(&before, &after), before);
        // A table that was there all the time and has the name by now.
        before.relations.insert(7, relation(7, "u", RelationKind::Table));
        after.relations.insert(7, relation(7, "t", RelationKind::Table));
        assert_eq!(adopt(&before, &after), before);
    }
}
