//! Schema before against after, as far as people and applications feel it. Objects are the same by OID and attribute
//! number, so a rename is certain, and "drop x, add x" is not "alter x".

use crate::snapshot::Oid;
use crate::snapshot::by_table::ByTable;
use crate::snapshot::catalog::{Catalog, Relation, RelationKind, qualify_column};
use crate::snapshot::object::TypeKind;
use std::collections::{BTreeMap, BTreeSet};

/// One change to something that was there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogChange {
    /// A table, view, materialized view, sequence or foreign table is gone.
    RelationDropped {
        /// OID before.
        relation: Oid,
        /// Qualified name before.
        name: String,
        /// What it was.
        kind: RelationKind,
        /// Another relation bears its name now.
        replaced: bool,
    },
    /// A column of a table that is still there is gone.
    ColumnDropped {
        /// The table.
        relation: Oid,
        /// Its qualified name before.
        table: String,
        /// The column's name before.
        column: String,
        /// Another column bears its name now.
        replaced: bool,
    },
    /// Values of a column have another type.
    ColumnTypeChanged {
        /// The table.
        relation: Oid,
        /// Its qualified name before.
        table: String,
        /// The column's name before.
        column: String,
        /// `format_type` before.
        from: String,
        /// `format_type` after.
        to: String,
    },
    /// A relation has another name or schema.
    RelationRenamed {
        /// The relation.
        relation: Oid,
        /// Qualified name before.
        from: String,
        /// Qualified name after.
        to: String,
        /// What it is.
        kind: RelationKind,
        /// Something else bears the old name now.
        replaced: bool,
    },
    /// A column has another name.
    ColumnRenamed {
        /// The table.
        relation: Oid,
        /// Its qualified name before.
        table: String,
        /// Before.
        from: String,
        /// After.
        to: String,
    },
    /// A function or procedure is gone, or its result or arguments are others.
    FunctionDropped {
        /// Qualified name with its input types.
        identity: String,
    },
    /// Labels of an enumerated type are called otherwise, or gone.
    LabelsGone {
        /// Qualified name of the type before.
        type_name: String,
        /// Each label before, and what it is called now; none where it is gone.
        labels: Vec<(String, Option<String>)>,
    },
    /// Privileges or owner of a relation, column, schema or function are others.
    PrivilegesChanged {
        /// The relation, where it is one.
        relation: Option<Oid>,
        /// Qualified name.
        object: String,
        /// `aclitem`s that came.
        granted: Vec<String>,
        /// `aclitem`s that went.
        revoked: Vec<String>,
        /// Owner before and after, where it changed.
        owner: Option<(String, String)>,
    },
    /// Row-level security is off, or a policy is gone.
    RowSecurityLoosened {
        /// The table.
        relation: Oid,
        /// Its qualified name.
        table: String,
        /// The policy; none when row-level security itself was switched off.
        policy: Option<String>,
    },
    /// A trigger is disabled or gone, the table being still there.
    TriggerOff {
        /// The table.
        relation: Oid,
        /// Its qualified name.
        table: String,
        /// The trigger, or the foreign key whose own triggers are off.
        trigger: String,
        /// Gone, as against disabled.
        dropped: bool,
    },
    /// Something else bears the name of a table or view that was dropped or renamed, and clients meet other columns there.
    NameTakenOver {
        /// Whose name it was.
        relation: Oid,
        /// Qualified.
        name: String,
        /// Columns the other one does not have.
        missing: Vec<String>,
        /// Columns whose type is another to clients, with both types.
        retyped: Vec<(String, String, String)>,
    },
    /// What identifies a row to subscribers is another, or gone with its index.
    ReplicaIdentityLost {
        /// The table.
        relation: Oid,
        /// Its qualified name.
        table: String,
    },
}

/// Compares two catalogs of the same copy.
pub fn compare(before: &Catalog, after: &Catalog) -> Vec<CatalogChange> {
    let mut changes = Vec::new();
    let sides = [before, after].map(Side::of);
    let names: BTreeMap<&str, Oid> =
        after.relations.iter().map(|(oid, relation)| (relation.qualified.as_str(), *oid)).collect();
    for (oid, old) in &before.relations {
        if matches!(old.kind, RelationKind::Index | RelationKind::PartitionedIndex | RelationKind::ToastTable) {
            continue;
        }
        // Who bears the name now, if that is somebody else.
        let heir = names.get(old.qualified.as_str()).filter(|heir| *heir != oid);
        changes.extend(heir.and_then(|heir| taken_over(before, after, *oid, *heir)));
        match after.relations.get(oid) {
            None => changes.push(CatalogChange::RelationDropped {
                relation: *oid,
                name: old.qualified.clone(),
                kind: old.kind,
                replaced: heir.is_some(),
            }),
            Some(new) => {
                if new.qualified != old.qualified {
                    changes.push(CatalogChange::RelationRenamed {
                        relation: *oid,
                        from: old.qualified.clone(),
                        to: new.qualified.clone(),
                        kind: old.kind,
                        replaced: heir.is_some(),
                    });
                }
                protection(&sides, old, &mut changes);
            }
        }
    }
    columns(before, after, &mut changes);
    functions(before, after, &mut changes);
    labels(before, after, &mut changes);
    privileges(before, after, &mut changes);
    let all: BTreeSet<_> = changes.iter().filter_map(what).collect();
    let told: Vec<bool> = changes.iter().map(|change| repeats(before, change, &all)).collect();
    let mut told = told.into_iter();
    changes.retain(|_| !told.next().unwrap_or_default());
    changes
}

/// A relation, and what happened to what of it.
type What<'a> = (Oid, &'static str, &'a str);

/// What partitions go through with their table.
fn what(change: &CatalogChange) -> Option<What<'_>> {
    match change {
        CatalogChange::RelationDropped { relation, .. } => Some((*relation, "relation", "")),
        CatalogChange::ColumnDropped { relation, column, .. } => Some((*relation, "column", column)),
        CatalogChange::ColumnTypeChanged { relation, column, .. } => Some((*relation, "type", column)),
        CatalogChange::ColumnRenamed { relation, from, .. } => Some((*relation, "name", from)),
        CatalogChange::TriggerOff { relation, trigger, .. } => Some((*relation, "trigger", trigger)),
        _ => None,
    }
}

/// Whether a change of a partition is what its table went through.
fn repeats(before: &Catalog, change: &CatalogChange, changes: &BTreeSet<What<'_>>) -> bool {
    let Some((relation, kind, name)) = what(change) else { return false };
    let found = before.relations.get(&relation).filter(|relation| relation.is_partition);
    found.and_then(|relation| relation.parent).is_some_and(|parent| changes.contains(&(parent, kind, name)))
}

/// What clients of a relation miss in the one that bears its name now, if anything.
fn taken_over(before: &Catalog, after: &Catalog, relation: Oid, heir: Oid) -> Option<CatalogChange> {
    let (mut missing, mut retyped) = (Vec::new(), Vec::new());
    for old in before.columns_of(relation) {
        match after.columns_of(heir).find(|new| new.name == old.name) {
            None => missing.push(old.name.clone()),
            Some(new) if client_type(&new.type_name) != client_type(&old.type_name) => {
                retyped.push((old.name.clone(), old.type_name.clone(), new.type_name.clone()));
            }
            Some(_) => {}
        }
    }
    let name = before.relations.get(&relation)?.qualified.clone();
    let differs = !missing.is_empty() || !retyped.is_empty();
    differs.then_some(CatalogChange::NameTakenOver { relation, name, missing, retyped })
}

fn columns(before: &Catalog, after: &Catalog, changes: &mut Vec<CatalogChange>) {
    for ((oid, number), old) in &before.columns {
        let (Some(table), true) = (before.relations.get(oid), after.relations.contains_key(oid)) else { continue };
        if matches!(table.kind, RelationKind::Index | RelationKind::PartitionedIndex) {
            continue;
        }
        let Some(new) = after.columns.get(&(*oid, *number)) else {
            let mut others = after.columns.range((*oid, i16::MIN)..=(*oid, i16::MAX));
            changes.push(CatalogChange::ColumnDropped {
                relation: *oid,
                table: table.qualified.clone(),
                column: old.name.clone(),
                replaced: others.any(|(_, column)| column.name == old.name),
            });
            continue;
        };
        if new.name != old.name {
            changes.push(CatalogChange::ColumnRenamed {
                relation: *oid,
                table: table.qualified.clone(),
                from: old.name.clone(),
                to: new.name.clone(),
            });
        }
        if new.type_name != old.type_name && client_type(&new.type_name) != client_type(&old.type_name) {
            changes.push(CatalogChange::ColumnTypeChanged {
                relation: *oid,
                table: table.qualified.clone(),
                column: old.name.clone(),
                from: old.type_name.clone(),
                to: new.type_name.clone(),
            });
        }
    }
}

/// The type as a client meets it: length and precision are the server's affair, and all text is text.
fn client_type(type_name: &str) -> String {
    let mut base = String::new();
    let mut depth = 0usize;
    for character in type_name.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => base.push(character),
            _ => {}
        }
    }
    let array = if base.ends_with("[]") { "[]" } else { "" };
    match base.trim_end_matches("[]").trim() {
        "character varying" | "text" => format!("text{array}"),
        other => format!("{other}{array}"),
    }
}

fn functions(before: &Catalog, after: &Catalog, changes: &mut Vec<CatalogChange>) {
    for (oid, old) in &before.functions {
        let same = |new: &crate::snapshot::object::Function| {
            new.identity == old.identity && new.signature.0 == old.signature.0
        };
        if !after.functions.get(oid).is_some_and(same) && !after.functions.values().any(same) {
            changes.push(CatalogChange::FunctionDropped { identity: old.identity.clone() });
        }
    }
}

/// Labels by their OIDs; where the type was made again in another's place, by its name.
fn labels(before: &Catalog, after: &Catalog, changes: &mut Vec<CatalogChange>) {
    for (oid, old) in &before.types {
        let TypeKind::Enum(labels) = &old.kind else { continue };
        let same_name = || after.types.values().find(|new| new.qualified == old.qualified);
        let Some(TypeKind::Enum(now)) = after.types.get(oid).or_else(same_name).map(|new| &new.kind) else { continue };
        let lost = labels.iter().filter(|(_, label)| !now.iter().any(|(_, other)| other == label));
        let heir = |oid: Oid| now.iter().find(|(other, _)| *other == oid).map(|(_, label)| label.clone());
        let labels: Vec<_> = lost.map(|(oid, label)| (label.clone(), heir(*oid))).collect();
        if !labels.is_empty() {
            changes.push(CatalogChange::LabelsGone { type_name: old.qualified.clone(), labels });
        }
    }
}

/// A catalog, and what belongs to each of its tables.
struct Side<'a> {
    catalog: &'a Catalog,
    by_table: ByTable<'a>,
}

impl<'a> Side<'a> {
    fn of(catalog: &'a Catalog) -> Self {
        Self { catalog, by_table: ByTable::of(catalog) }
    }
}

fn protection([before, after]: &[Side<'_>; 2], old: &Relation, changes: &mut Vec<CatalogChange>) {
    let details = [before, after].map(|side| side.catalog.relation_details.get(&old.oid));
    let [Some(was), Some(is)] = details else {
        return;
    };
    let table = || old.qualified.clone();
    if was.row_security && !is.row_security || was.force_row_security && !is.force_row_security {
        changes.push(CatalogChange::RowSecurityLoosened { relation: old.oid, table: table(), policy: None });
    }
    for (oid, policy) in before.by_table.policies(old.oid) {
        let kept = after.catalog.policies.contains_key(&oid)
            || after.by_table.policies(old.oid).any(|(_, new)| new.name == policy.name);
        if !kept {
            let policy = Some(policy.name.clone());
            changes.push(CatalogChange::RowSecurityLoosened { relation: old.oid, table: table(), policy });
        }
    }
    // In sessions of clients; those that apply what is replicated see 'R' and 'A'.
    let fires = |enabled: char| matches!(enabled, 'O' | 'A');
    for (oid, trigger) in before.by_table.triggers(old.oid).filter(|(_, each)| fires(each.enabled)) {
        let again = || after.by_table.triggers(old.oid).find(|(_, new)| new.name == trigger.name);
        let now = after.catalog.triggers.get(&oid).or_else(|| again().map(|(_, new)| new));
        if now.is_none_or(|now| !fires(now.enabled)) {
            changes.push(CatalogChange::TriggerOff {
                relation: old.oid,
                table: table(),
                trigger: trigger.name.clone(),
                dropped: now.is_none(),
            });
        }
    }
    for (oid, constraint) in before.by_table.constraints(old.oid) {
        if after.catalog.constraints.contains_key(&oid)
            && !before.catalog.enforcement.contains_key(&oid)
            && after.catalog.enforcement.contains_key(&oid)
        {
            changes.push(CatalogChange::TriggerOff {
                relation: old.oid,
                table: table(),
                trigger: constraint.name.clone(),
                dropped: false,
            });
        }
    }
    let key_before = replica_key(before, old.oid, was.replica_identity);
    if key_before.is_some() && published(before.catalog, old.oid) {
        let key_after = replica_key(after, old.oid, is.replica_identity);
        if key_after.is_none() {
            changes.push(CatalogChange::ReplicaIdentityLost { relation: old.oid, table: table() });
        }
    }
}

/// How a row is told apart by subscribers: `Some` if it can be.
fn replica_key(side: &Side<'_>, table: Oid, identity: char) -> Option<char> {
    let valid = || side.by_table.indexes(table).filter(|(_, index)| index.valid);
    let primary = || valid().any(|(_, index)| index.primary);
    let detail = |oid: Oid| side.catalog.index_details.get(&oid);
    let keyed = || valid().any(|(oid, _)| detail(oid).is_some_and(|detail| detail.replica_identity));
    match identity {
        'f' => Some('f'),
        // Without its index the letter stays, and means nothing.
        'i' => keyed().then_some('i'),
        'd' => primary().then_some('d'),
        _ => None,
    }
}

/// Whether changes of the table are published, by itself or with all tables.
fn published(catalog: &Catalog, table: Oid) -> bool {
    let name = catalog.relations.get(&table).map(|relation| relation.qualified.as_str()).unwrap_or_default();
    catalog.others.values().any(|other| match other.type_name.as_str() {
        "publication relation" => other.identity.starts_with(&format!("{name} in publication")),
        "publication" => other.definition.as_deref().is_some_and(|definition| definition.contains("FOR ALL TABLES")),
        _ => false,
    })
}

fn privileges(before: &Catalog, after: &Catalog, changes: &mut Vec<CatalogChange>) {
    let mut note = |relation: Option<Oid>, object: &str, was: (&[String], &str), is: (&[String], &str)| {
        let owner = (was.1 != is.1).then(|| (was.1.to_owned(), is.1.to_owned()));
        // With another owner every item names another grantor.
        let without = |from: &[String], other: &[String]| -> Vec<String> {
            from.iter().filter(|item| owner.is_none() && !other.contains(item)).cloned().collect()
        };
        let (granted, revoked) = (without(is.0, was.0), without(was.0, is.0));
        if owner.is_some() || !granted.is_empty() || !revoked.is_empty() {
            let object = object.to_owned();
            changes.push(CatalogChange::PrivilegesChanged { relation, object, granted, revoked, owner });
        }
    };
    for (oid, old) in &before.relations {
        if matches!(old.kind, RelationKind::Index | RelationKind::PartitionedIndex) {
            continue;
        }
        let (Some(new), Some(was), Some(is)) =
            (after.relations.get(oid), before.relation_details.get(oid), after.relation_details.get(oid))
        else {
            continue;
        };
        note(Some(*oid), &old.qualified, (&was.acl, &old.owner), (&is.acl, &new.owner));
    }
    for ((oid, number), was) in &before.column_details {
        let (Some(table), Some(column), Some(is)) = (
            before.relations.get(oid),
            before.columns.get(&(*oid, *number)),
            after.column_details.get(&(*oid, *number)),
        ) else {
            continue;
        };
        note(Some(*oid), &qualify_column(&table.qualified, &column.name), (&was.acl, ""), (&is.acl, ""));
    }
    for (oid, old) in &before.schemas {
        if let Some(new) = after.schemas.get(oid) {
            note(None, &old.name, (&old.acl, &old.owner), (&new.acl, &new.owner));
        }
    }
    for (oid, old) in &before.functions {
        if let Some(new) = after.functions.get(oid) {
            note(None, &old.identity, (&old.acl, &old.owner), (&new.acl, &new.owner));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::object::Type;

    #[test]
    fn nothing_against_itself_is_no_change() {
        assert!(compare(&Catalog::default(), &Catalog::default()).is_empty());
    }

    #[test]
    fn clients_see_the_type_and_not_its_length() {
        assert_eq!(client_type("character varying(20)"), client_type("text"));
        assert_eq!(client_type("numeric(10,2)"), client_type("numeric"));
        assert_eq!(client_type("timestamp(3) without time zone"), client_type("timestamp without time zone"));
        assert_ne!(client_type("integer"), client_type("bigint"));
        assert_ne!(client_type("text[]"), client_type("text"));
    }
    #[test]
    fn a_label_is_known_by_its_number_and_where_the_type_was_made_again_by_its_name() {
        let with = |oid: Oid, labels: &[(Oid, &str)]| {
            let labels = labels.iter().map(|(oid, label)| (*oid, (*label).to_owned())).collect();
            let mood = Type {
                schema: "public".into(),
                name: "mood".into(),
                qualified: "public.mood".into(),
                kind: TypeKind::Enum(labels),
                owner: String::new(),
                acl: Vec::new(),
                comment: None,
                raw: String::new(),
            };
            Catalog { types: [(oid, mood)].into(), ..Catalog::default() }
        };
        let gone = |labels: &[(&str, Option<&str>)]| CatalogChange::LabelsGone {
            type_name: "public.mood".into(),
            labels: labels.iter().map(|(label, to)| ((*label).to_owned(), to.map(str::to_owned))).collect(),
        };
        let before = with(1, &[(10, "good"), (11, "bad")]);
        assert_eq!(compare(&before, &with(1, &[(10, "good"), (11, "bad"), (12, "new")])), []);
        assert_eq!(compare(&before, &with(1, &[(10, "fine"), (11, "bad")])), [gone(&[("good", Some("fine"))])]);
        assert_eq!(compare(&before, &with(2, &[(20, "good"), (21, "sad")])), [gone(&[("bad", None)])]);
        assert_eq!(compare(&before, &with(2, &[(20, "fine")])), [gone(&[("good", None), ("bad", None)])]);
    }
}
