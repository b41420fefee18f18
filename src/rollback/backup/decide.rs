//! Decides what is saved: what is dropped, what is converted without a way back, what else the migration changes.

use super::super::generate::Input;
use super::super::names::{column, identifier};
use super::super::planner::{Plan, TablePlan};
use super::added::added_rows;
use super::lookups;
use super::possible::{self, Action, Cascade, Change};
use super::predict::{self, Reach};
use super::references::{by_reference, contended, referrers};
use super::statement::Written as Statement;
use super::{Key, Position, Save, SaveKind, SavedColumn, Written};
use crate::snapshot::Oid;
use crate::snapshot::catalog::{Catalog, Column, RelationKind};
use crate::snapshot::object::{Address, TypeKind};
use std::collections::BTreeSet;

/// Decides what is saved.
pub(in crate::rollback) fn saves(plan: &mut Plan<'_>, input: &Input<'_>) -> Vec<Save> {
    let schema = input.backup_schema;
    let mut found = Vec::new();
    dropped_tables(plan, &mut found);
    let mut whole = BTreeSet::new();
    let mut written = BTreeSet::new();
    for mut change in possible::changes(plan, input.changed, input.statements) {
        let table = plan.tables.values().find(|table| table.before == change.table);
        let Some(table) = table else { continue };
        let name = plan.before.relation_name(table.before);
        let volatile = input.trust.of(&name);
        change.unread |= input.trust.unread.contains(&name);
        match changed_rows(plan, table, &change, volatile, &mut found) {
            Columns::All => whole.extend([table.before]),
            Columns::Some { written: columns } => written.extend(columns.iter().map(|number| (table.before, *number))),
        }
    }
    let mut hopeless = Vec::new();
    for table in plan.tables.values() {
        if !whole.contains(&table.before) {
            lost_columns(plan, table, input, &written, &mut found, &mut hopeless);
        }
    }
    lookups::link(plan, &mut found);
    by_reference(plan, &mut found);
    for save in &mut found {
        save.contended = contended(plan, save);
    }
    plan.unmodelled.extend(hopeless);
    positions(plan, &mut found);
    for (index, save) in found.iter_mut().enumerate() {
        schema.clone_into(&mut save.schema);
        let stem: String = save.backup.chars().take(40).collect();
        save.backup = format!("{:03}_{stem}", index + 1);
        while save.backup.len() > 63 {
            save.backup.pop();
        }
    }
    name_parents(&mut found);
    lookups::name_alike(&mut found);
    lookups::name(&mut found);
    found
}

/// What is saved because other rows go asks for those rows where they are saved, by names that are known only now.
fn name_parents(found: &mut [Save]) {
    let parents: Vec<(String, String)> = found
        .iter()
        .filter(|save| matches!(save.kind, SaveKind::Written(_)))
        .map(|save| (predict::backup_of(save.table), save.backup_name()))
        .collect();
    for save in found {
        if let SaveKind::Written(written) = &mut save.kind {
            for (placeholder, name) in &parents {
                written.query = written.query.replace(placeholder, name);
            }
        }
    }
}

pub(super) fn saved_column(catalog: &Catalog, table: Oid, number: i16, skip_null: bool) -> Option<SavedColumn> {
    let column = catalog.columns.get(&(table, number))?;
    let detail = catalog.column_details.get(&(table, number))?;
    Some(SavedColumn {
        name: column.name.clone(),
        type_name: column.type_name.clone(),
        as_text: !detail.builtin_type
            || column.collation.as_ref().is_some_and(|found| !found.starts_with("pg_catalog.")),
        skip_null,
        converted_to: None,
        overwrites: false,
    })
}

pub(super) fn new_save(
    plan: &Plan<'_>,
    table: Oid,
    kind: SaveKind,
    numbers: Vec<i16>,
    columns: Vec<SavedColumn>,
) -> Option<Save> {
    let relation = plan.before.relations.get(&table)?;
    Some(Save {
        schema: String::new(),
        backup: relation.name.clone(),
        origin: relation.qualified.clone(),
        table,
        numbers,
        kind,
        columns,
        force_row_security: plan.before.relation_details.get(&table).is_some_and(|detail| detail.force_row_security),
        own_rows: relation.kind == RelationKind::Table,
        contended: false,
    })
}

fn dropped_tables(plan: &Plan<'_>, found: &mut Vec<Save>) {
    for address in &plan.restore {
        let Some(relation) = plan.before.relations.get(&address.oid) else { continue };
        if address.class != crate::snapshot::object::Class::Relation || relation.kind != RelationKind::Table {
            continue;
        }
        let numbers: Vec<i16> = plan
            .before
            .columns_of(address.oid)
            .filter(|column| column.generated.is_none())
            .map(|column| column.number)
            .collect();
        let columns =
            numbers.iter().filter_map(|number| saved_column(plan.before, address.oid, *number, false)).collect();
        found.extend(new_save(plan, address.oid, SaveKind::Table, numbers, columns));
    }
}

/// Which columns of a table's rows are saved for all that changes about them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Columns {
    /// Every one: what is dropped or converted is among them.
    All,
    /// Some, or of some rows only.
    Some {
        /// Converted columns whose values are not only converted: rows of them are written besides, or go.
        written: BTreeSet<i16>,
    },
}

impl Columns {
    /// Nothing that is converted is written besides.
    fn some() -> Self {
        Self::Some { written: BTreeSet::new() }
    }
}

/// Rows that statements change, delete and add, or may change elsewhere.
fn changed_rows(
    plan: &Plan<'_>,
    table: &TablePlan,
    change: &Change,
    volatile: Option<&BTreeSet<String>>,
    found: &mut Vec<Save>,
) -> Columns {
    if let (Some(volatile), false) = (volatile, change.opaque) {
        added_rows(plan, table, change, volatile, found);
    }
    if let ([cascade], Some(_)) = (change.cascades.as_slice(), volatile)
        && let Some(save) = taken_along(plan, table, change, cascade, found)
    {
        found.push(save);
        return Columns::some();
    }
    if !change.cascades.is_empty() {
        return all_rows(plan, table, None, true, found);
    }
    let Some(mut reach) = predict::reach(plan, table, change) else {
        // A list of values that were only added, by something that is not read, destroys nothing.
        let only_adds = change.seen.updated + change.seen.deleted == 0 && only_inserts(change);
        return if only_adds { Columns::some() } else { all_rows(plan, table, None, true, found) };
    };
    // What is dropped or converted is saved by itself.
    let assigned = std::mem::take(&mut reach.assigned);
    let (by_itself, assigned): (BTreeSet<i16>, BTreeSet<i16>) = assigned.into_iter().partition(|number| {
        let converted = table.retyped.contains(number) && !converts_back(plan, table, *number);
        table.dropped.contains(number) || converted
    });
    reach.assigned = assigned;
    let written = if reach.deletes { table.retyped.clone() } else { by_itself };
    // Rows that were only added destroy nothing, and what goes to columns that go again is nobody's loss.
    if reach.assigned.is_empty() && !reach.deletes {
        return Columns::Some { written };
    }
    if let Some(volatile) = volatile
        && let Some(save) = written_rows(plan, table, &reach, volatile)
    {
        found.push(save);
        return Columns::Some { written };
    }
    let assigned = if reach.deletes { None } else { Some(&reach.assigned) };
    match all_rows(plan, table, assigned, reach.deletes, found) {
        Columns::Some { .. } => Columns::Some { written },
        Columns::All => Columns::All,
    }
}

/// Whether all that names the table are statements that add rows and leave others as they are. Nothing names a table that
/// a trigger or a function added rows to.
fn only_inserts(change: &Change) -> bool {
    let named = change.seen.statements.as_ref().map_or(0, Vec::len);
    let adds = |read: &Statement| matches!(read, Statement::Insert { overwrites: false, .. });
    change.read.len() == named && change.read.iter().all(adds)
}

/// Rows that go, or lose what they refer to, because rows of another table go: told from those that are saved there.
fn taken_along(plan: &Plan<'_>, table: &TablePlan, change: &Change, cascade: &Cascade, found: &[Save]) -> Option<Save> {
    let before = table.before;
    let (parent, told) =
        found.iter().filter(|save| save.table == cascade.parent).find_map(|save| match &save.kind {
            SaveKind::Written(told) => Some((save, told)),
            _ => None,
        })?;
    let named = change.seen.statements.as_ref().is_some_and(|list| !list.is_empty());
    // A referenced column has to be among those saved.
    let saved_there = |name: &String| told.keys.iter().chain(&parent.columns).any(|column| column.name == *name);
    if named
        || before == cascade.parent
        || !told.deletes
        || cascade.action == Action::Other
        || !cascade.pairs.iter().all(|(_, referenced)| saved_there(referenced))
        || predict::has_helpers(plan, table)
    {
        return None;
    }
    let nothing = BTreeSet::new();
    let keys = surviving_key(plan, table, &nothing)?;
    let is_key = |name: &str| keys.iter().any(|key| key.name == name);
    let deletes = cascade.action == Action::Delete;
    let referring = |name: &str| cascade.pairs.iter().any(|(own, _)| own == name);
    let numbers: Vec<i16> = plan
        .before
        .columns_of(before)
        .filter(|column| column.generated.is_none() && !is_key(&column.name) && (deletes || referring(&column.name)))
        .map(|column| column.number)
        .collect();
    // What is dropped or converted is saved by itself, with all its rows.
    if numbers.iter().any(|number| table.dropped.contains(number) || table.retyped.contains(number)) {
        return None;
    }
    let columns: Vec<SavedColumn> =
        numbers.iter().filter_map(|number| saved_column(plan.before, before, *number, false)).collect();
    let saved: Vec<SavedColumn> = keys.iter().chain(&columns).cloned().collect();
    let assigned: Vec<String> =
        if deletes { Vec::new() } else { cascade.pairs.iter().map(|(own, _)| own.clone()).collect() };
    let query = predict::taken_along(plan, table, cascade, &saved, assigned.len());
    new_save(plan, before, SaveKind::Written(Written { keys, query, assigned, deletes }), numbers, columns)
}

/// All rows of a table, with all columns or those that are assigned.
fn all_rows(
    plan: &Plan<'_>,
    table: &TablePlan,
    assigned: Option<&BTreeSet<i16>>,
    deletes: bool,
    found: &mut Vec<Save>,
) -> Columns {
    let before = table.before;
    let nothing = BTreeSet::new();
    let mut replaces = None;
    let mut key = match surviving_key(plan, table, assigned.unwrap_or(&nothing)) {
        Some(key) => Key::Columns(key),
        None => Key::Occurrence(Vec::new()),
    };
    // Without a key all rows go and come again, which takes along what refers to them. But references have a key.
    if let (Key::Occurrence(_), Some(referenced)) = (&key, referenced_key(plan, table)) {
        key = Key::Columns(referenced);
        replaces = Some(referrers(plan, before));
    }
    let (keys, assigned) = match &key {
        Key::Columns(keys) => (keys.as_slice(), assigned.filter(|_| replaces.is_none())),
        Key::Occurrence(_) => (&[][..], None),
    };
    let numbers: Vec<i16> = plan
        .before
        .columns_of(before)
        .filter(|column| column.generated.is_none() && keys.iter().all(|key| key.name != column.name))
        .filter(|column| assigned.is_none_or(|assigned| assigned.contains(&column.number)))
        .map(|column| column.number)
        .collect();
    let columns = numbers.iter().filter_map(|number| saved_column(plan.before, before, *number, false)).collect();
    let deletes = deletes || replaces.is_some();
    found.extend(new_save(plan, before, SaveKind::Rows { key, deletes, replaces }, numbers, columns));
    if assigned.is_none() { Columns::All } else { Columns::some() }
}

/// Rows told from the statements that change them; none where those need more than their rows.
fn written_rows(plan: &Plan<'_>, table: &TablePlan, reach: &Reach, volatile: &BTreeSet<String>) -> Option<Save> {
    let before = table.before;
    let keys = surviving_key(plan, table, &BTreeSet::new())?;
    let is_key = |name: &str| keys.iter().any(|key| key.name == name);
    let numbers: Vec<i16> = plan
        .before
        .columns_of(before)
        .filter(|column| column.generated.is_none() && !is_key(&column.name))
        .filter(|column| reach.deletes || reach.assigned.contains(&column.number))
        .map(|column| column.number)
        .collect();
    let columns: Vec<SavedColumn> =
        numbers.iter().filter_map(|number| saved_column(plan.before, before, *number, false)).collect();
    let saved: Vec<SavedColumn> = keys.iter().chain(&columns).cloned().collect();
    let effect = predict::effect(plan, table, reach, volatile, &saved)?;
    let written = Written { keys, query: effect.query, assigned: effect.assigned, deletes: reach.deletes };
    new_save(plan, before, SaveKind::Written(written), numbers, columns)
}

fn lost_columns(
    plan: &Plan<'_>,
    table: &TablePlan,
    input: &Input<'_>,
    written: &BTreeSet<(Oid, i16)>,
    found: &mut Vec<Save>,
    hopeless: &mut Vec<String>,
) {
    let before = table.before;
    let Some(relation) = plan.before.relations.get(&before) else { return };
    // Partitions are saved with their table; whatever else inherits has rows and keys of its own.
    let inherited = |number: i16| {
        let detail = plan.before.column_details.get(&(before, number));
        relation.is_partition && detail.is_some_and(|detail| detail.inherited && !detail.local)
    };
    let expressed = predict::converted_by_expression(plan, table, input.statements);
    let mut numbers = Vec::new();
    let mut columns = Vec::new();
    for old in plan.before.columns_of(before).filter(|column| column.generated.is_none() && !inherited(column.number)) {
        let lost = table.dropped.contains(&old.number);
        let expressed = expressed.contains(&old.number);
        let retyped = table.retyped.contains(&old.number);
        let converted = expressed || (retyped && !converts_back(plan, table, old.number));
        if lost || converted {
            numbers.push(old.number);
            // A column that is added again without its default holds nulls: no need to save those.
            let skip_null = lost && !(old.not_null && old.default.is_some());
            let saved = saved_column(plan.before, before, old.number, skip_null);
            // A value that was written before it was converted is not the saved one cast, which may not be castable.
            let told =
                !expressed && input.trust.of(&relation.qualified).is_some() && !written.contains(&(before, old.number));
            let converted_to = converted_to(plan, table, old.number).filter(|_| converted && told);
            let overwrites = converted && converted_to.is_none();
            columns.extend(saved.map(|saved| SavedColumn { converted_to, overwrites, ..saved }));
        }
    }
    if columns.is_empty() {
        return;
    }
    if relation.kind == RelationKind::ForeignTable {
        hopeless.extend(
            numbers.iter().map(|number| format!("values of {} are not saved", column(plan.before, before, *number))),
        );
        return;
    }
    let key = match surviving_key(plan, table, &expressed) {
        Some(key) => Key::Columns(key),
        None => Key::Occurrence(
            unchanged_columns(plan, table)
                .into_iter()
                .filter(|name| columns.iter().all(|saved| saved.name != *name))
                .collect(),
        ),
    };
    found.extend(new_save(plan, before, SaveKind::Columns(key), numbers, columns));
}

/// The type a column was converted to, where casts lead there and back.
fn converted_to(plan: &Plan<'_>, table: &TablePlan, number: i16) -> Option<String> {
    const STRINGS: [Oid; 3] = [25, 1042, 1043];
    let old = plan.before.column_details.get(&(table.before, number))?;
    let new = plan.after.column_details.get(&(table.after, number))?;
    let casts = |from: Oid, to: Oid| {
        from == to || STRINGS.contains(&from) || STRINGS.contains(&to) || plan.after.casts.contains_key(&(from, to))
    };
    let there_and_back = casts(old.type_oid, new.type_oid) && casts(new.type_oid, old.type_oid);
    // The text of one type is rarely another type's.
    let readable = !STRINGS.contains(&new.type_oid) || STRINGS.contains(&old.type_oid);
    let known = old.builtin_type && new.builtin_type && there_and_back && readable;
    known.then(|| plan.after.columns.get(&(table.after, number)).map(|column| column.type_name.clone())).flatten()
}

/// Whether casting back what the migration converted gives the old values.
fn converts_back(plan: &Plan<'_>, table: &TablePlan, number: i16) -> bool {
    if plan.of_rebuilt_composites.contains(&Address::column(table.after, number)) {
        return false;
    }
    let (Some(old), Some(new)) =
        (plan.before.columns.get(&(table.before, number)), plan.after.columns.get(&(table.after, number)))
    else {
        return false;
    };
    let same = |catalog: &Catalog, table: Oid| {
        catalog.column_details.get(&(table, number)).map(|detail| (detail.type_oid, detail.type_modifier))
    };
    // The same type again: only the collation differs, or its type is one that is made anew.
    same(plan.before, table.before) == same(plan.after, table.after)
        || (plan.casts && lossless(&old.type_name, &new.type_name))
        || is_base_of(plan.before, (table.before, number), &new.type_name)
}

/// Whether a type is the one that a column's domain is made of: the values are the same, only the domain's rules are not.
pub(in crate::rollback) fn is_base_of(catalog: &Catalog, column: (Oid, i16), type_name: &str) -> bool {
    let domain = catalog.column_details.get(&column).and_then(|detail| catalog.types.get(&detail.type_oid));
    domain.is_some_and(|found| matches!(&found.kind, TypeKind::Domain { base, .. } if base == type_name))
}

/// Columns that identify a row before, and still do after the rollback without any help from the backup; none of them
/// among `assigned`.
pub(super) fn surviving_key(plan: &Plan<'_>, table: &TablePlan, assigned: &BTreeSet<i16>) -> Option<Vec<SavedColumn>> {
    let before = table.before;
    let stays = |name: &&String| {
        let column = staying(plan, table, name);
        column.is_some_and(|column| column.not_null && !assigned.contains(&column.number))
    };
    let constraints = plan.before.constraints.values().filter(|constraint| {
        let deferrable = plan.before.constraint_details.get(&constraint.oid).is_some_and(|detail| detail.deferrable);
        constraint.table == Some(before) && matches!(constraint.kind, 'p' | 'u') && !deferrable
    });
    let indexes = plan.before.indexes.values().filter(|index| {
        let plain = plan.before.index_details.get(&index.oid).is_some_and(|detail| !detail.has_expressions);
        let whole = plain && index.predicate.is_none() && index.valid;
        index.table == before && index.unique && index.constraint.is_none() && whole
    });
    let constraints = constraints.map(|found| ((found.kind != 'p', false), found.oid, found.columns.iter().collect()));
    let indexes = indexes.map(|found| ((true, true), found.oid, found.keys.iter().take(found.key_count).collect()));
    let mut keys: Vec<((bool, bool), Oid, Vec<&String>)> = constraints.chain(indexes).collect();
    keys.retain(|(_, _, names)| names.iter().all(stays));
    keys.sort_by_key(|(kind, oid, names)| (*kind, names.len(), *oid));
    saved_columns(plan, before, &keys.first()?.2)
}

/// Columns that other rows refer to a table's rows by, null in some of them, where they stay.
fn referenced_key(plan: &Plan<'_>, table: &TablePlan) -> Option<Vec<SavedColumn>> {
    let keys = plan.before.constraints.values().filter(|key| key.kind == 'f' && key.references == Some(table.before));
    let mut keys = keys.map(|key| key.referenced_columns.iter().collect::<Vec<_>>());
    let names = keys.find(|names| names.iter().all(|name| staying(plan, table, name).is_some()))?;
    saved_columns(plan, table.before, &names)
}

fn saved_columns(plan: &Plan<'_>, table: Oid, names: &[&String]) -> Option<Vec<SavedColumn>> {
    let number = |name: &String| plan.before.columns_of(table).find(|column| column.name == *name);
    names.iter().map(|name| saved_column(plan.before, table, number(name)?.number, false)).collect()
}

/// A column that has the values it had once its table is as before, without any help from the backup.
fn staying<'c>(plan: &Plan<'c>, table: &TablePlan, name: &String) -> Option<&'c Column> {
    plan.before.columns_of(table.before).find(|column| column.name == *name).filter(|column| {
        let gone = table.dropped.contains(&column.number);
        let converted = table.retyped.contains(&column.number) && !converts_back(plan, table, column.number);
        !gone && !converted && column.generated.is_none()
    })
}

fn unchanged_columns(plan: &Plan<'_>, table: &TablePlan) -> Vec<String> {
    plan.before
        .columns_of(table.before)
        .filter(|column| !table.dropped.contains(&column.number) && !table.retyped.contains(&column.number))
        .map(|column| column.name.clone())
        .collect()
}

fn positions(plan: &Plan<'_>, found: &mut Vec<Save>) {
    let mut sequences = Vec::new();
    for (oid, before) in &plan.before.sequences {
        let address = Address::relation(*oid);
        let set_back =
            plan.pairing.after(address).and_then(|after| plan.after.sequences.get(&after.oid)).is_some_and(|after| {
                (after.last_value < before.last_value) == (before.increment > 0)
                    && (after.last_value, after.is_called) != (before.last_value, before.is_called)
                    || (after.last_value == before.last_value && before.is_called && !after.is_called)
            });
        if plan.restore.contains(&address) || set_back {
            // One that takes the place of another may have given numbers meanwhile: the column knows which.
            let fills = before.owned_by.filter(|(table, number)| {
                let after = plan.pairing.relation_after(*table);
                let stays = after
                    .and_then(|after| plan.tables.get(&after))
                    .is_some_and(|table| !table.dropped.contains(number) && !table.retyped.contains(number));
                plan.restore.contains(&address) && before.increment > 0 && stays
            });
            let fills = fills.and_then(|(table, number)| {
                let column = plan.before.columns.get(&(table, number))?;
                Some((plan.before.relation_name(table), identifier(&column.name)))
            });
            sequences.push(Position { sequence: plan.before.relation_name(*oid), rising: before.increment > 0, fills });
        }
    }
    if !sequences.is_empty() {
        sequences.sort();
        found.push(Save {
            schema: String::new(),
            backup: "sequences".to_owned(),
            origin: "sequences".to_owned(),
            table: 0,
            numbers: Vec::new(),
            kind: SaveKind::Positions(sequences),
            columns: Vec::new(),
            force_row_security: false,
            own_rows: false,
            contended: false,
        });
    }
}

/// Whether every value of `old` comes back from `new` by a cast. A conversion of the migration's own making (`USING`)
/// can still lose something: the proof would show it.
pub(in crate::rollback) fn lossless(old: &str, new: &str) -> bool {
    const INTEGERS: [&str; 4] = ["smallint", "integer", "bigint", "numeric"];
    let rank = |name: &str| INTEGERS.iter().position(|known| *known == name);
    if let (Some(from), Some(to)) = (rank(old), rank(new)) {
        return from <= to;
    }
    let length =
        |name: &str| -> Option<u32> { name.strip_prefix("character varying(")?.strip_suffix(')')?.parse().ok() };
    let unlimited = |name: &str| name == "text" || name == "character varying";
    if length(old).is_some() || unlimited(old) {
        return match (length(old), length(new)) {
            (Some(from), Some(to)) => from <= to,
            (_, None) => unlimited(new),
            (None, Some(_)) => false,
        };
    }
    let scale = |name: &str| -> Option<(i32, i32)> {
        let (precision, scale) = name.strip_prefix("numeric(")?.strip_suffix(')')?.split_once(',')?;
        Some((precision.parse().ok()?, scale.parse().ok()?))
    };
    if let Some((precision, digits)) = scale(old) {
        return match scale(new) {
            Some((wider, more)) => more >= digits && wider - more >= precision - digits,
            None => new == "numeric",
        };
    }
    let pairs = [
        ("real", "double precision"),
        ("date", "timestamp without time zone"),
        ("cidr", "inet"),
        ("json", "text"),
        ("uuid", "text"),
        ("integer", "text"),
        ("bigint", "text"),
        ("smallint", "text"),
        ("boolean", "text"),
    ];
    pairs.contains(&(old, new))
}

#[cfg(test)]
mod tests {
    use super::lossless;

    #[test]
    fn widening_comes_back_and_narrowing_does_not() {
        for (old, new) in [
            ("integer", "bigint"),
            ("character varying(20)", "text"),
            ("character varying(20)", "character varying(50)"),
            ("text", "character varying"),
            ("numeric(10,2)", "numeric(12,4)"),
            ("numeric(10,2)", "numeric"),
        ] {
            assert!(lossless(old, new), "{old} to {new}");
        }
        for (old, new) in [
            ("bigint", "integer"),
            ("text", "integer"),
            ("text", "character varying(20)"),
            ("numeric(10,2)", "numeric(10,1)"),
            ("numeric(10,2)", "integer"),
            ("timestamp with time zone", "date"),
            ("text", "public.mood"),
        ] {
            assert!(!lossless(old, new), "{old} to {new}");
        }
    }
}
