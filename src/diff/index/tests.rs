use super::*;
use crate::snapshot::RelationSize;
use crate::snapshot::catalog::{Catalog, Column, RelationKind};
use crate::snapshot::plan::{Captured, PlanCapture, PlanKey, PlanMode, QueryPlan};
use std::sync::Arc;

const ORDERS: Oid = 1;

fn catalog(snapshot: &mut Snapshot) -> &mut Catalog {
    Arc::make_mut(&mut snapshot.catalog)
}

/// A snapshot with a table `public.orders` of three columns.
fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot { catalog: Arc::default(), sizes: BTreeMap::new(), plans: Vec::new() };
    relation(&mut snapshot, ORDERS, "orders", RelationKind::Table);
    for (number, name) in [(1, "id"), (2, "customer_id"), (3, "created")] {
        let column = Column {
            number,
            name: name.to_owned(),
            type_name: "integer".to_owned(),
            not_null: false,
            default: None,
            identity: None,
            generated: None,
            collation: None,
        };
        catalog(&mut snapshot).columns.insert((ORDERS, number), column);
    }
    snapshot
}

fn relation(snapshot: &mut Snapshot, oid: Oid, name: &str, kind: RelationKind) {
    catalog(snapshot).relations.insert(oid, Relation::new(oid, "public", name, kind));
    let size = RelationSize { bytes: 8192, table_bytes: 8192, blocks: 1, rows: Some(100.0), all_visible: 1 };
    snapshot.sizes.insert(oid, size);
}

fn index(snapshot: &mut Snapshot, oid: Oid, name: &str, keys: &[&str]) {
    index_on(snapshot, ORDERS, oid, name, keys);
}

fn index_on(snapshot: &mut Snapshot, table: Oid, oid: Oid, name: &str, keys: &[&str]) {
    relation(snapshot, oid, name, RelationKind::Index);
    let columns = keys.join(", ");
    let on = snapshot.catalog.relations[&table].qualified.clone();
    let index = Index {
        oid,
        table,
        definition: format!("CREATE INDEX {name} ON {on} USING btree ({columns})"),
        shape: format!("CREATE INDEX _ ON {on} USING btree ({columns})"),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        key_count: keys.len(),
        unique: false,
        primary: false,
        valid: true,
        constraint: None,
        predicate: None,
        method: "btree".to_owned(),
    };
    catalog(snapshot).indexes.insert(oid, index);
}

fn planned(snapshot: &mut Snapshot, query: &str, text: &str) {
    let key = PlanKey { query: query.to_owned(), parameter_set: String::new(), mode: PlanMode::Custom };
    let plan = QueryPlan::from_explain_json(text).expect("a plan");
    snapshot.plans.push(PlanCapture { key, captured: Captured::Planned(plan) });
}

const BITMAP_OR: &str = include_str!("../../../tests/plans/15/bitmap_or.json");

fn kinds(before: &Snapshot, after: &Snapshot) -> Vec<(IndexChangeKind, String)> {
    compare_indexes(before, after).into_iter().map(|change| (change.kind, change.name)).collect()
}

#[test]
fn an_unchanged_catalog_has_no_changes_duplicates_or_unindexed_keys() {
    let mut same = snapshot();
    index(&mut same, 10, "a", &["customer_id"]);
    index(&mut same, 11, "b", &["customer_id"]);
    foreign_key(&mut same, 50, &["created"]);
    assert!(compare_indexes(&same, &same).is_empty());
    assert!(duplicate_indexes(&same, &same).is_empty());
    assert!(unindexed_foreign_keys(&same, &same).is_empty());
}

#[test]
fn a_dropped_index_names_the_queries_that_used_it_and_what_replaces_it() {
    let mut before = snapshot();
    index(&mut before, 10, "orders_customer_id_idx", &["customer_id"]);
    planned(&mut before, "by_customer", BITMAP_OR);
    planned(&mut before, "by_customer", BITMAP_OR);
    let mut after = snapshot();
    let changes = compare_indexes(&before, &after);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].kind, IndexChangeKind::Dropped);
    assert_eq!(changes[0].name, "public.orders_customer_id_idx");
    assert_eq!(changes[0].table, "public.orders");
    assert_eq!(changes[0].used_by_before, ["by_customer"]);
    assert!(changes[0].used_by_after.is_empty());
    assert_eq!((changes[0].bytes_before, changes[0].bytes_after), (Some(8192), None));
    assert_eq!(changes[0].replaced_by, None);
    index(&mut after, 12, "wider", &["customer_id", "created"]);
    let changes = compare_indexes(&before, &after);
    let dropped = changes.iter().find(|change| change.kind == IndexChangeKind::Dropped).expect("dropped");
    assert_eq!(dropped.replaced_by.as_deref(), Some("public.wider"));
}

#[test]
fn renamed_redefined_rebuilt_and_invalid_are_told_apart() {
    let mut before = snapshot();
    index(&mut before, 10, "a", &["customer_id"]);
    let with = |change: &dyn Fn(&mut Snapshot)| {
        let mut after = snapshot();
        change(&mut after);
        kinds(&before, &after)
    };
    let one = |kind, name: &str| vec![(kind, format!("public.{name}"))];
    assert_eq!(with(&|after| index(after, 10, "b", &["customer_id"])), one(IndexChangeKind::Renamed, "b"));
    assert_eq!(with(&|after| index(after, 20, "a", &["created"])), one(IndexChangeKind::Redefined, "a"));
    assert_eq!(with(&|after| index(after, 20, "a", &["customer_id"])), one(IndexChangeKind::Rebuilt, "a"));
    let reindexed = with(&|after| {
        index(after, 10, "a", &["customer_id"]);
        catalog(after).relations.get_mut(&10).expect("the index").filenode = 99;
    });
    assert_eq!(reindexed, one(IndexChangeKind::Rebuilt, "a"));
    let broken = with(&|after| {
        index(after, 10, "a", &["customer_id"]);
        index(after, 11, "half", &["created"]);
        catalog(after).indexes.get_mut(&11).expect("the index").valid = false;
    });
    assert_eq!(broken, one(IndexChangeKind::Invalid, "half"));
}

#[test]
fn renaming_a_column_or_table_is_no_change_of_its_indexes() {
    let mut before = snapshot();
    index(&mut before, 10, "a", &["customer_id"]);
    let mut after = snapshot();
    index(&mut after, 10, "a", &["client_id"]);
    catalog(&mut after).columns.get_mut(&(ORDERS, 2)).expect("the column").name = "client_id".to_owned();
    assert!(compare_indexes(&before, &after).is_empty());
    catalog(&mut after).relations.get_mut(&10).expect("the index").filenode = 99;
    assert_eq!(kinds(&before, &after), [(IndexChangeKind::Rebuilt, "public.a".to_owned())]);
}

#[test]
fn partitions_indexes_are_told_as_their_parents_and_their_use_counts() {
    let mut before = snapshot();
    for (oid, name) in [(2, "events"), (3, "events_2024"), (4, "events_2025")] {
        relation(&mut before, oid, name, RelationKind::Table);
    }
    let mut after = before.clone();
    index_on(&mut before, 2, 20, "events_kind_idx", &["kind"]);
    before.sizes.remove(&20);
    for (table, oid) in [(3, 30), (4, 40)] {
        let name = format!("events_{}_kind_idx", 2021 + table);
        index_on(&mut before, table, oid, &name, &["kind"]);
        catalog(&mut before).relations.get_mut(&oid).expect("the index").parent = Some(20);
    }
    planned(&mut before, "by_kind", include_str!("../../../tests/plans/15/partitions.json"));
    let changes = compare_indexes(&before, &after);
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!((changes[0].name.as_str(), changes[0].partitions), ("public.events_kind_idx", 2));
    assert_eq!(changes[0].bytes_before, Some(16_384));
    assert_eq!(changes[0].used_by_before, ["by_kind"]);
    std::mem::swap(&mut before, &mut after);
    assert_eq!(kinds(&before, &after), [(IndexChangeKind::Created, "public.events_kind_idx".to_owned())]);
}

#[test]
fn a_new_index_that_another_covers_is_a_duplicate() {
    let mut before = snapshot();
    index(&mut before, 10, "old", &["customer_id"]);
    let created = |keys: &[&str]| {
        let mut after = before.clone();
        index(&mut after, 11, "new", keys);
        duplicate_indexes(&before, &after)
    };
    let exact = created(&["customer_id"]);
    assert_eq!(exact.len(), 1);
    assert_eq!((exact[0].redundant.as_str(), exact[0].exact, exact[0].created), ("public.new", true, 11));
    let wider = created(&["customer_id", "created"]);
    assert_eq!((wider[0].redundant.as_str(), wider[0].exact, wider[0].created), ("public.old", false, 11));
    assert!(created(&["created", "customer_id"]).is_empty());
    assert!(created(&["customer_id DESC"]).is_empty());
}

#[test]
fn what_enforces_a_rule_is_never_redundant() {
    let mut before = snapshot();
    index(&mut before, 10, "old", &["customer_id"]);
    catalog(&mut before).indexes.get_mut(&10).expect("the index").unique = true;
    let mut after = before.clone();
    index(&mut after, 11, "new", &["customer_id", "created"]);
    assert!(duplicate_indexes(&before, &after).is_empty());
    index(&mut after, 11, "new", &["customer_id"]);
    let found = duplicate_indexes(&before, &after);
    assert_eq!(found.iter().map(|one| one.redundant.as_str()).collect::<Vec<_>>(), ["public.new"]);
}

fn foreign_key(snapshot: &mut Snapshot, oid: Oid, columns: &[&str]) {
    let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    let constraint = Constraint {
        oid,
        table: Some(ORDERS),
        name: "fk".to_owned(),
        kind: 'f',
        definition: String::new(),
        validated: true,
        references: Some(ORDERS),
        referenced_columns: columns.clone(),
        columns,
        inherited: false,
    };
    catalog(snapshot).constraints.insert(oid, constraint);
}

#[test]
fn a_foreign_key_needs_an_index_that_begins_with_its_columns() {
    let before = snapshot();
    let mut after = snapshot();
    foreign_key(&mut after, 50, &["customer_id", "created"]);
    index(&mut after, 10, "a", &["customer_id"]);
    let found = unindexed_foreign_keys(&before, &after);
    assert_eq!(found.len(), 1);
    assert!(found[0].created && !found[0].table_created);
    assert_eq!((found[0].table.as_str(), found[0].rows), ("public.orders", Some(100.0)));
    index(&mut after, 11, "b", &["created", "customer_id", "id"]);
    assert!(unindexed_foreign_keys(&before, &after).is_empty());
    let partial = |predicate: &str| {
        let mut partial = after.clone();
        catalog(&mut partial).indexes.get_mut(&11).expect("the index").predicate = Some(predicate.to_owned());
        unindexed_foreign_keys(&before, &partial).len()
    };
    assert_eq!(partial("(created IS NOT NULL)"), 0);
    assert_eq!(partial("(id IS NOT NULL)"), 1);
    // Taking the index away tells as well, and says that the key itself is older.
    let mut later = after.clone();
    catalog(&mut later).indexes.remove(&11);
    assert_eq!(unindexed_foreign_keys(&after, &later).iter().map(|key| key.created).collect::<Vec<_>>(), [false]);
}
