//! Every index that came, went or changed, who used it, and indexes that are one too many or one too few.

use crate::snapshot::by_table::ByTable;
use crate::snapshot::catalog::{Catalog, Constraint, Index, Relation};
use crate::snapshot::plan::{RelationName, quote_identifier_if_needed};
use crate::snapshot::{Oid, Snapshot};
use definition::Definition;
use std::collections::{BTreeMap, BTreeSet};

mod definition;

/// What happened to an index. The report's names are the contract's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IndexChangeKind {
    /// It is new.
    Created,
    /// It is gone.
    Dropped,
    /// The same index under another name.
    Renamed,
    /// Another definition under the same name.
    Redefined,
    /// The same name and definition, built anew.
    Rebuilt,
    /// It is there and cannot be used (`indisvalid` is false), and was not like that before.
    Invalid,
}

impl IndexChangeKind {
    /// The report's spelling.
    pub fn name(self) -> &'static str {
        match self {
            IndexChangeKind::Created => "created",
            IndexChangeKind::Dropped => "dropped",
            IndexChangeKind::Renamed => "renamed",
            IndexChangeKind::Redefined => "redefined",
            IndexChangeKind::Rebuilt => "rebuilt",
            IndexChangeKind::Invalid => "invalid",
        }
    }
}

/// One index before and after. Indexes of partitions are told as their parent's.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexChange {
    /// What happened.
    pub kind: IndexChangeKind,
    /// Qualified name: after the run if it is still there, else before.
    pub name: String,
    /// Its name before, when it was renamed.
    pub name_before: Option<String>,
    /// Qualified name of its table, likewise.
    pub table: String,
    /// OID before the run.
    pub oid_before: Option<Oid>,
    /// OID after the run.
    pub oid_after: Option<Oid>,
    /// `pg_get_indexdef` before.
    pub definition_before: Option<String>,
    /// `pg_get_indexdef` after.
    pub definition_after: Option<String>,
    /// Bytes before, partitions included.
    pub bytes_before: Option<u64>,
    /// Bytes after, partitions included.
    pub bytes_after: Option<u64>,
    /// Hot queries whose plans read it before, in registry order.
    pub used_by_before: Vec<String>,
    /// Hot queries whose plans read it after, in registry order.
    pub used_by_after: Vec<String>,
    /// Indexes of its partitions that changed with it.
    pub partitions: u64,
    /// Its table is new as well.
    pub table_created: bool,
    /// Its table is gone as well.
    pub table_dropped: bool,
    /// It enforces a primary key, unique or exclusion constraint, or uniqueness by itself.
    pub enforces: bool,
    /// For a dropped one: a valid index of the table that answers all it answered.
    pub replaced_by: Option<String>,
}

/// Two indexes of one table of which one does nothing the other does not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateIndex {
    /// Qualified name of the one that is not needed.
    pub redundant: String,
    /// Qualified name of the one that covers it.
    pub covered_by: String,
    /// Qualified name of their table.
    pub table: String,
    /// The same definition; otherwise its keys are the other's first keys.
    pub exact: bool,
    /// Which of the two the run created (its OID after); when both, the redundant one.
    pub created: Oid,
    /// The redundant one came with the run.
    pub redundant_is_new: bool,
    /// Their table is new as well.
    pub table_created: bool,
    /// Bytes of the redundant one.
    pub bytes: Option<u64>,
}

/// A foreign key no index of the referencing table supports.
#[derive(Debug, Clone, PartialEq)]
pub struct UnindexedForeignKey {
    /// The constraint's name, unquoted.
    pub constraint: String,
    /// Its OID after the run.
    pub oid: Oid,
    /// Qualified name of the referencing table.
    pub table: String,
    /// Referencing columns.
    pub columns: Vec<String>,
    /// Qualified name of the referenced table.
    pub references: String,
    /// The run created the constraint; otherwise it took away the index.
    pub created: bool,
    /// The referencing table is new as well.
    pub table_created: bool,
    /// Rows of the referencing table, as far as the server knows.
    pub rows: Option<f64>,
}

/// Every index that differs, by table and name.
pub fn compare_indexes(before: &Snapshot, after: &Snapshot) -> Vec<IndexChange> {
    let sides = Sides { before: Side::of(before), after: Side::of(after) };
    let mut changes = Vec::new();
    let mut matched: BTreeSet<Oid> = BTreeSet::new();
    for (oid, was) in &before.catalog.indexes {
        let same = after.catalog.indexes.get(oid).map(|now| (*oid, now));
        let counterpart = same.or_else(|| sides.namesake(*oid));
        if let Some((oid, _)) = counterpart {
            matched.insert(oid);
        }
        changes.extend(sides.changes(Some((*oid, was)), counterpart));
    }
    for (oid, now) in &after.catalog.indexes {
        if !matched.contains(oid) {
            changes.extend(sides.changes(None, Some((*oid, now))));
        }
    }
    let mut changes = fold_partitions(changes, before, after);
    changes.sort_by(|one, other| (&one.table, &one.name, one.kind).cmp(&(&other.table, &other.name, other.kind)));
    changes
}

/// Duplicates one of which the run created.
pub fn duplicate_indexes(before: &Snapshot, after: &Snapshot) -> Vec<DuplicateIndex> {
    let new = new_indexes(&before.catalog, &after.catalog);
    let tables: BTreeSet<Oid> = new.iter().filter_map(|oid| Some(after.catalog.indexes.get(oid)?.table)).collect();
    let by_table = ByTable::of(&after.catalog);
    let mut found = Vec::new();
    for table in tables {
        let indexes: Vec<_> = by_table.indexes(table).filter(|(_, index)| index.valid).collect();
        for (position, one) in indexes.iter().enumerate() {
            for other in &indexes[position + 1..] {
                found.extend(duplicate((before, after), &new, table, *one, *other));
            }
        }
    }
    found
}

/// Indexes that the run created; one built anew under its old name is not a new one.
fn new_indexes(before: &Catalog, after: &Catalog) -> BTreeSet<Oid> {
    let came = || after.indexes.iter().filter(|(oid, _)| !before.indexes.contains_key(oid));
    if came().next().is_none() {
        return BTreeSet::new();
    }
    let called = |catalog: &Catalog, oid: &Oid, index: &Index| {
        catalog.relations.get(oid).map(|relation| (name(relation), index.shape.clone()))
    };
    let known: BTreeSet<_> = before.indexes.iter().filter_map(|(oid, index)| called(before, oid, index)).collect();
    let anew = |oid: &Oid, index: &Index| called(after, oid, index).is_some_and(|called| known.contains(&called));
    came().filter(|(oid, index)| !anew(oid, index)).map(|(oid, _)| *oid).collect()
}

/// Foreign keys that the run created without a supporting index, or whose index it took away.
pub fn unindexed_foreign_keys(before: &Snapshot, after: &Snapshot) -> Vec<UnindexedForeignKey> {
    let mut found = Vec::new();
    let (then, now) = (ByTable::of(&before.catalog), ByTable::of(&after.catalog));
    for (oid, key) in &after.catalog.constraints {
        let Some(table) = key.table.filter(|_| key.kind == 'f' && !key.inherited) else { continue };
        if supported(&now, table, &key.columns) {
            continue;
        }
        let known = before.catalog.constraints.get(oid).or_else(|| namesake_constraint(&before.catalog, key));
        if let Some(known) = known
            && !known.table.is_some_and(|table| supported(&then, table, &known.columns))
        {
            continue;
        }
        found.push(UnindexedForeignKey {
            constraint: key.name.clone(),
            oid: *oid,
            table: qualified(&after.catalog, table),
            columns: key.columns.clone(),
            references: key.references.map(|table| qualified(&after.catalog, table)).unwrap_or_default(),
            created: known.is_none(),
            table_created: !before.catalog.relations.contains_key(&table),
            rows: after.sizes.get(&table).and_then(|size| size.rows),
        });
    }
    found
}

struct Side<'a> {
    snapshot: &'a Snapshot,
    by_name: BTreeMap<RelationName, Oid>,
    /// Hot queries by index, in registry order.
    users: BTreeMap<Oid, Vec<String>>,
}

impl<'a> Side<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let catalog = &snapshot.catalog;
        let names = catalog.indexes.keys().filter_map(|oid| Some((name(catalog.relations.get(oid)?), *oid)));
        let mut side = Self { snapshot, by_name: names.collect(), users: BTreeMap::new() };
        for capture in &snapshot.plans {
            let Some(plan) = capture.captured.plan() else { continue };
            for used in plan.indexes() {
                let mut next = side.by_name.get(&used.index).copied();
                // A partition's index counts for every index above it as well.
                while let Some(oid) = next {
                    let users = side.users.entry(oid).or_default();
                    if !users.contains(&capture.key.query) {
                        users.push(capture.key.query.clone());
                    }
                    next = catalog.relations.get(&oid).and_then(|relation| relation.parent);
                }
            }
        }
        side
    }

    fn relation(&self, oid: Oid) -> Option<&'a Relation> {
        self.snapshot.catalog.relations.get(&oid)
    }

    fn bytes(&self, oid: Oid) -> Option<u64> {
        self.snapshot.sizes.get(&oid).map(|size| size.bytes)
    }

    fn users(&self, oid: Option<Oid>) -> Vec<String> {
        oid.and_then(|oid| self.users.get(&oid)).cloned().unwrap_or_default()
    }
}

struct Sides<'a> {
    before: Side<'a>,
    after: Side<'a>,
}

impl<'a> Sides<'a> {
    /// The new index that has the name of one that is gone.
    fn namesake(&self, oid: Oid) -> Option<(Oid, &'a Index)> {
        let there = self.after.by_name.get(&name(self.before.relation(oid)?))?;
        // An index that was renamed to this name is its own story.
        if self.before.snapshot.catalog.indexes.contains_key(there) {
            return None;
        }
        Some((*there, self.after.snapshot.catalog.indexes.get(there)?))
    }

    fn changes(&self, was: Option<(Oid, &'a Index)>, now: Option<(Oid, &'a Index)>) -> Vec<IndexChange> {
        let kinds = match (was, now) {
            (Some(_), None) => vec![IndexChangeKind::Dropped],
            (None, Some((_, now))) if !now.valid => vec![IndexChangeKind::Invalid],
            (None, Some(_)) => vec![IndexChangeKind::Created],
            (Some(was), Some(now)) => self.both(was, now),
            (None, None) => Vec::new(),
        };
        kinds.into_iter().filter_map(|kind| self.change(kind, was, now)).collect()
    }

    fn both(&self, (old, was): (Oid, &Index), (new, now): (Oid, &Index)) -> Vec<IndexChangeKind> {
        let mut kinds = Vec::new();
        let (Some(before), Some(after)) = (self.before.relation(old), self.after.relation(new)) else { return kinds };
        if was.valid && !now.valid {
            kinds.push(IndexChangeKind::Invalid);
        }
        if before.name != after.name {
            kinds.push(IndexChangeKind::Renamed);
        }
        let rebuilt = old != new || before.filenode != after.filenode;
        // The text of a definition also changes with the names of its table and columns.
        let renamed_below = old == new && self.names_of_table_changed(was.table);
        if was.shape != now.shape && (rebuilt || !renamed_below) && !self.same_but_for_types(was, now) {
            kinds.push(IndexChangeKind::Redefined);
        } else if rebuilt {
            kinds.push(IndexChangeKind::Rebuilt);
        }
        kinds
    }

    /// A rewrite of a renamed column's index changes file and text, and yet nothing about the index.
    fn same_but_for_types(&self, was: &Index, now: &Index) -> bool {
        self.names_of_table_changed(was.table)
            && was.table == now.table
            && was.keys.len() == now.keys.len()
            && (was.key_count, was.unique, &was.method) == (now.key_count, now.unique, &now.method)
            && was.predicate.is_none()
            && now.predicate.is_none()
            && was.keys.iter().zip(&now.keys).all(|(old, new)| self.column_now(was.table, old) == Some(new.as_str()))
    }

    fn column_now(&self, table: Oid, column: &str) -> Option<&'a str> {
        let columns = &self.before.snapshot.catalog.columns;
        let same_table = columns.range((table, i16::MIN)..=(table, i16::MAX));
        let number = same_table.into_iter().find(|(_, known)| known.name == column).map(|((_, number), _)| *number)?;
        self.after.snapshot.catalog.columns.get(&(table, number)).map(|column| column.name.as_str())
    }

    fn names_of_table_changed(&self, table: Oid) -> bool {
        let (before, after) = (&self.before.snapshot.catalog, &self.after.snapshot.catalog);
        let renamed = before.relations.get(&table).map(name) != after.relations.get(&table).map(name);
        let mut columns = before.columns.range((table, i16::MIN)..=(table, i16::MAX));
        renamed || columns.any(|(key, column)| after.columns.get(key).is_some_and(|now| now.name != column.name))
    }

    fn change(
        &self,
        kind: IndexChangeKind,
        was: Option<(Oid, &'a Index)>,
        now: Option<(Oid, &'a Index)>,
    ) -> Option<IndexChange> {
        let (before, after) = (&self.before.snapshot.catalog, &self.after.snapshot.catalog);
        let (oid_before, oid_after) = (was.map(|(oid, _)| oid), now.map(|(oid, _)| oid));
        let old = oid_before.and_then(|oid| self.before.relation(oid));
        let new = oid_after.and_then(|oid| self.after.relation(oid));
        let index = now.or(was)?.1;
        Some(IndexChange {
            kind,
            name: new.or(old)?.qualified.clone(),
            name_before: old.filter(|_| kind == IndexChangeKind::Renamed).map(|old| old.qualified.clone()),
            table: if now.is_some() { qualified(after, index.table) } else { qualified(before, index.table) },
            oid_before,
            oid_after,
            definition_before: was.map(|(_, index)| index.definition.clone()),
            definition_after: now.map(|(_, index)| index.definition.clone()),
            bytes_before: oid_before.and_then(|oid| self.before.bytes(oid)),
            bytes_after: oid_after.and_then(|oid| self.after.bytes(oid)),
            used_by_before: self.before.users(oid_before),
            used_by_after: self.after.users(oid_after),
            partitions: 0,
            table_created: !before.relations.contains_key(&index.table),
            table_dropped: !after.relations.contains_key(&index.table),
            enforces: index.unique || index.primary || index.constraint.is_some(),
            replaced_by: was.filter(|_| kind == IndexChangeKind::Dropped).and_then(|(_, was)| self.replacement(was)),
        })
    }

    /// A valid index after the run that answers all this one answered; an equal one before a larger one.
    fn replacement(&self, was: &Index) -> Option<String> {
        let catalog = &self.after.snapshot.catalog;
        let old = Definition::parse(was);
        let candidates = catalog.indexes.iter().filter(|(_, index)| index.valid && index.table == was.table);
        let covering = candidates.filter_map(|(oid, index)| {
            let new = Definition::parse(index);
            (new.covers(&old) && (!was.unique || index.unique)).then_some((new != old, *oid))
        });
        covering.min().map(|(_, oid)| qualified(catalog, oid))
    }
}

/// Adds the changes of partitions' indexes to the same change of the index above them.
fn fold_partitions(changes: Vec<IndexChange>, before: &Snapshot, after: &Snapshot) -> Vec<IndexChange> {
    let parent = |oid: Option<Oid>, snapshot: &Snapshot| {
        let relation = snapshot.catalog.relations.get(&oid?)?;
        relation.parent.filter(|parent| snapshot.catalog.indexes.contains_key(parent))
    };
    let above = |change: &IndexChange| {
        changes.iter().position(|other| {
            let same = |own: Option<Oid>, others: Option<Oid>| own.is_some() && own == others;
            other.kind == change.kind
                && (same(parent(change.oid_after, after), other.oid_after)
                    || same(parent(change.oid_before, before), other.oid_before))
        })
    };
    // Up to the topmost index, through levels of partitioning.
    let top = |position: usize| {
        let mut top = position;
        while let Some(next) = above(&changes[top]).filter(|next| *next != top) {
            top = next;
        }
        top
    };
    let tops: Vec<usize> = (0..changes.len()).map(top).collect();
    let mut folded = changes.clone();
    for (position, top) in tops.iter().enumerate().filter(|(position, top)| position != *top) {
        let add =
            |sum: Option<u64>, more: Option<u64>| if sum.is_none() { more } else { Some(sum? + more.unwrap_or(0)) };
        folded[*top].bytes_before = add(folded[*top].bytes_before, changes[position].bytes_before);
        folded[*top].bytes_after = add(folded[*top].bytes_after, changes[position].bytes_after);
        folded[*top].partitions += 1;
    }
    let mut position = 0;
    folded.retain(|_| {
        position += 1;
        tops[position - 1] == position - 1
    });
    folded
}

fn duplicate(
    (before, after): (&Snapshot, &Snapshot),
    new: &BTreeSet<Oid>,
    table: Oid,
    one: (Oid, &Index),
    other: (Oid, &Index),
) -> Option<DuplicateIndex> {
    let is_new = |(oid, _): (Oid, &Index)| new.contains(&oid);
    // Children of partitioned indexes say nothing their parents do not say.
    let is_partition = |oid: Oid| {
        let parent = after.catalog.relations.get(&oid).and_then(|relation| relation.parent);
        parent.is_some_and(|parent| after.catalog.indexes.contains_key(&parent))
    };
    if !(is_new(one) || is_new(other)) || is_partition(one.0) || is_partition(other.0) {
        return None;
    }
    let covers = |large: (Oid, &Index), small: (Oid, &Index)| {
        let removable = small.1.constraint.is_none() && !small.1.primary;
        let enforced = !small.1.unique || large.1.unique && large.1.keys == small.1.keys;
        removable && enforced && Definition::parse(large.1).covers(&Definition::parse(small.1))
    };
    // Of two that cover each other the new one is the one too many.
    let (small, large) = match (covers(other, one), covers(one, other)) {
        (true, true) if is_new(one) && !is_new(other) => (one, other),
        (_, true) => (other, one),
        (true, false) => (one, other),
        (false, false) => return None,
    };
    Some(DuplicateIndex {
        redundant: qualified(&after.catalog, small.0),
        covered_by: qualified(&after.catalog, large.0),
        table: qualified(&after.catalog, table),
        exact: Definition::parse(small.1) == Definition::parse(large.1),
        redundant_is_new: is_new(small),
        created: if is_new(small) { small.0 } else { large.0 },
        table_created: !before.catalog.relations.contains_key(&table),
        bytes: after.sizes.get(&small.0).map(|size| size.bytes),
    })
}

/// Whether a valid index of all its rows begins with the columns, in any order.
fn supported(by_table: &ByTable<'_>, table: Oid, columns: &[String]) -> bool {
    let mut own = by_table.indexes(table).map(|(_, index)| index).filter(|index| index.valid).peekable();
    if own.peek().is_none() {
        return false;
    }
    // Deparsed keys are quoted where needed, names of columns are not.
    let columns: Vec<String> = columns.iter().map(|column| quote_identifier_if_needed(column)).collect();
    own.any(|index| {
        let keys = &index.keys[..index.key_count.min(index.keys.len())];
        let leading = &keys[..columns.len().min(keys.len())];
        // Rows with a null key reference nothing, so an index may leave them out.
        let complete = index.predicate.as_ref().is_none_or(|predicate| {
            columns.iter().any(|column| predicate.trim_matches(['(', ')']) == format!("{column} IS NOT NULL"))
        });
        complete && columns.iter().all(|column| leading.contains(column))
    })
}

fn namesake_constraint<'a>(catalog: &'a Catalog, wanted: &Constraint) -> Option<&'a Constraint> {
    catalog.constraints.values().find(|known| {
        (known.kind, known.table, &known.columns, known.references)
            == (wanted.kind, wanted.table, &wanted.columns, wanted.references)
    })
}

fn name(relation: &Relation) -> RelationName {
    RelationName::new(&relation.schema, &relation.name)
}

fn qualified(catalog: &Catalog, oid: Oid) -> String {
    catalog.relations.get(&oid).map(|relation| relation.qualified.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
