//! What the names in a plan mean: indexes are their definitions, renamed relations and columns what they were before.

use crate::snapshot::Oid;
use crate::snapshot::catalog::{Catalog, Index, Relation};
use crate::snapshot::plan::RelationName;
use crate::snapshot::plan::expression::normalise_definition;
use std::collections::{BTreeMap, BTreeSet};

/// What names mean at one moment, in the terms of the moment before the run. Relations are the same by OID, columns by
/// OID and attribute number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Names {
    indexes: BTreeMap<RelationName, String>,
    relations: BTreeMap<RelationName, Meaning>,
}

/// What one relation's name stands for.
#[derive(Debug, Clone, PartialEq)]
struct Meaning {
    /// What the relation was called; for a partition its topmost parent.
    before: RelationName,
    /// What that one is called now.
    now: RelationName,
    /// It has parents or children: scans of them are numbered under the parent's alias.
    inherits: bool,
    /// What its renamed columns were called, by what they are called.
    columns: BTreeMap<String, String>,
}

impl Names {
    /// At the moment the catalog was read, on its own.
    pub fn of(catalog: &Catalog) -> Self {
        Self::after(catalog, catalog)
    }

    /// At a later moment.
    pub fn after(before: &Catalog, after: &Catalog) -> Self {
        let mut names = Self::default();
        let parents: BTreeSet<_> = after.relation_details.values().flat_map(|detail| &detail.parents).collect();
        for (oid, relation) in &after.relations {
            let top = topmost(after, relation);
            let was = before.relations.get(&top.oid).unwrap_or(top);
            let columns = after.columns_of(*oid).filter_map(|column| {
                let was = before.columns.get(&(*oid, column.number))?;
                (was.name != column.name).then(|| (column.name.clone(), was.name.clone()))
            });
            let meaning = Meaning {
                before: name(was),
                now: name(top),
                inherits: relation.parent.is_some() || parents.contains(oid),
                columns: columns.collect(),
            };
            names.relations.insert(name(relation), meaning);
        }
        for (oid, index) in &after.indexes {
            if let Some(relation) = after.relations.get(oid) {
                let table = after.relations.get(&index.table).map(name);
                let columns = table.and_then(|table| names.relations.get(&table)).map(|meaning| &meaning.columns);
                let shape = with_expressions(after, index);
                let definition = definition(&shape, index.unique, columns.unwrap_or(&BTreeMap::new()));
                names.indexes.insert(name(relation), definition);
            }
        }
        names
    }

    /// At a moment in between, of which no catalog was read: a name that was there before means what it did then,
    /// another one what it means after.
    pub fn between(before: &Catalog, after: &Catalog) -> Self {
        let (old, later) = (Self::of(before), Self::after(before, after));
        let mut names = later.clone();
        let oids: BTreeMap<RelationName, Oid> =
            before.relations.iter().map(|(oid, known)| (name(known), *oid)).collect();
        for (relation, meaning) in old.relations {
            // Its columns may have their new names already.
            let now = oids.get(&relation).and_then(|oid| after.relations.get(oid)).map(name);
            let columns = now.and_then(|now| later.relations.get(&now)).map(|now| now.columns.clone());
            names.relations.insert(relation, Meaning { columns: columns.unwrap_or_default(), ..meaning });
        }
        names.indexes.extend(old.indexes);
        names
    }

    /// Adds one index by the text of its `CREATE INDEX`.
    pub fn insert_index(&mut self, name: RelationName, create_index: &str, unique: bool) {
        self.indexes.insert(name, definition(create_index, unique, &BTreeMap::new()));
    }

    /// An index's definition from the access method on, in its table's former column names; the name itself when the
    /// index is not known.
    pub fn definition(&self, index: &RelationName) -> String {
        self.indexes.get(index).cloned().unwrap_or_else(|| index.qualified())
    }

    /// What a relation was called before the run: a partition stands for its topmost parent, a new one for itself.
    /// `None` when the relation is not known.
    pub fn before(&self, relation: &RelationName) -> Option<&RelationName> {
        self.relations.get(relation).map(|meaning| &meaning.before)
    }

    /// What people know a relation by: its name, or that of a partition's topmost parent.
    pub(super) fn known_as(&self, relation: &RelationName) -> RelationName {
        self.relations.get(relation).map_or_else(|| relation.clone(), |meaning| meaning.now.clone())
    }

    /// Whether it has parents or children; `None` when it is not known.
    pub(super) fn inherits(&self, relation: &RelationName) -> Option<bool> {
        self.relations.get(relation).map(|meaning| meaning.inherits)
    }

    /// Former names of its renamed columns, by their names.
    pub(super) fn columns(&self, relation: &RelationName) -> Option<&BTreeMap<String, String>> {
        self.relations.get(relation).map(|meaning| &meaning.columns).filter(|columns| !columns.is_empty())
    }
}

fn name(relation: &Relation) -> RelationName {
    RelationName::new(&relation.schema, &relation.name)
}

fn topmost<'a>(catalog: &'a Catalog, relation: &'a Relation) -> &'a Relation {
    let mut top = relation;
    while let Some(parent) = top.parent.filter(|_| top.is_partition).and_then(|oid| catalog.relations.get(&oid)) {
        top = parent;
    }
    top
}

/// The table is left out: a scan says which one, and partitions' indexes are one.
fn definition(create_index: &str, unique: bool, columns: &BTreeMap<String, String>) -> String {
    let using = create_index.split_once(" USING ").map_or(create_index, |(_, using)| using);
    format!("{}{}", if unique { "UNIQUE " } else { "" }, normalise_definition(using, columns))
}

/// The shape, and which keys are expressions: `((a)::text)` of a number is not the column itself.
fn with_expressions(catalog: &Catalog, index: &Index) -> String {
    let attributes = catalog.index_details.get(&index.oid).map(|detail| detail.attributes.as_slice());
    let keys = attributes.unwrap_or_default().iter().zip(1..).filter(|(attribute, _)| **attribute == 0);
    let expressions: Vec<String> = keys.map(|(_, position): (_, usize)| position.to_string()).collect();
    if expressions.is_empty() {
        index.shape.clone()
    } else {
        format!("{} EXPRESSIONS {}", index.shape, expressions.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::catalog::{Column, RelationKind};

    fn relation(oid: u32, name: &str, kind: RelationKind) -> Relation {
        Relation::new(oid, "public", name, kind)
    }

    fn column(number: i16, name: &str) -> Column {
        Column {
            number,
            name: name.to_owned(),
            type_name: "integer".to_owned(),
            not_null: false,
            default: None,
            identity: None,
            generated: None,
            collation: None,
        }
    }

    fn catalog(table: &str, columns: &[(i16, &str)], index: &str, keys: &str) -> Catalog {
        let mut catalog = Catalog::default();
        catalog.relations.insert(1, relation(1, table, RelationKind::Table));
        catalog.relations.insert(2, relation(2, index, RelationKind::Index));
        for (number, name) in columns {
            catalog.columns.insert((1, *number), column(*number, name));
        }
        let index = Index {
            oid: 2,
            table: 1,
            definition: String::new(),
            shape: format!("CREATE INDEX _ ON public.{table} USING btree ({keys})"),
            keys: vec![keys.to_owned()],
            key_count: 1,
            unique: false,
            primary: false,
            valid: true,
            constraint: None,
            predicate: None,
            method: "btree".to_owned(),
        };
        catalog.indexes.insert(2, index);
        catalog
    }

    fn named(name: &str) -> RelationName {
        RelationName::new("public", name)
    }

    #[test]
    fn renamed_things_mean_what_they_were() {
        let before = catalog("orders", &[(1, "id"), (2, "customer_id")], "by_customer", "customer_id");
        let after = catalog("purchases", &[(1, "id"), (2, "client_id")], "by_client", "client_id");
        let (old, new) = (Names::of(&before), Names::after(&before, &after));
        assert_eq!(new.before(&named("purchases")), Some(&named("orders")));
        assert_eq!(new.before(&named("orders")), None);
        assert_eq!(new.definition(&named("by_client")), old.definition(&named("by_customer")));
        let columns = new.columns(&named("purchases")).expect("one renamed");
        assert_eq!(columns, &BTreeMap::from([("client_id".to_owned(), "customer_id".to_owned())]));
        assert_eq!(old.columns(&named("orders")), None);
    }

    #[test]
    fn a_column_put_in_anothers_place_is_not_that_one() {
        let before = catalog("orders", &[(1, "a"), (2, "b")], "i", "a");
        let swapped = catalog("orders", &[(1, "b"), (2, "a")], "i", "b");
        let other = catalog("orders", &[(1, "b"), (2, "a")], "i", "a");
        let definition = |after: &Catalog| Names::after(&before, after).definition(&named("i"));
        assert_eq!(definition(&swapped), definition(&before));
        assert_ne!(definition(&other), definition(&before));
        // A column made anew under an old name is known by that name only.
        let anew = catalog("orders", &[(2, "b"), (3, "a")], "i", "a");
        assert_eq!(definition(&anew), definition(&before));
    }

    #[test]
    fn between_two_catalogs_both_names_are_known() {
        let before = catalog("orders", &[(1, "customer_id")], "by_customer", "customer_id");
        let after = catalog("purchases", &[(1, "client_id")], "by_client", "client_id");
        let between = Names::between(&before, &after);
        for table in ["orders", "purchases"] {
            assert_eq!(between.before(&named(table)), Some(&named("orders")));
            assert_eq!(between.columns(&named(table)).map(BTreeMap::len), Some(1));
        }
        assert_eq!(between.definition(&named("by_client")), between.definition(&named("by_customer")));
    }

    #[test]
    fn a_partition_stands_for_its_topmost_parent() {
        let mut before = catalog("events", &[], "i", "a");
        let mut partition = relation(3, "events_2025", RelationKind::Table);
        partition.parent = Some(1);
        partition.is_partition = true;
        before.relations.insert(3, partition);
        let names = Names::of(&before);
        assert_eq!(names.before(&named("events_2025")), Some(&named("events")));
        assert_eq!((names.inherits(&named("events_2025")), names.inherits(&named("other"))), (Some(true), None));
    }

    #[test]
    fn an_expression_is_not_its_column() {
        let mut catalog = catalog("orders", &[(1, "a")], "i", "((a)::text)");
        let plain = Names::of(&catalog).definition(&named("i"));
        let detail = crate::snapshot::catalog::IndexDetail { attributes: vec![0], ..Default::default() };
        catalog.index_details.insert(2, detail);
        assert_ne!(Names::of(&catalog).definition(&named("i")), plain);
    }
}
