//! Columns of surviving tables: types go back, dropped ones are added again and filled, then nulls, defaults and
//! identities as they were. All names are those of before.

use super::super::backup::{Save, SaveKind};
use super::super::dump::reparsable;
use super::super::generate::Step;
use super::super::names::{identifier, relation_word};
use super::super::planner::{Plan, TablePlan};
use super::values::values;
use crate::snapshot::Oid;
use crate::snapshot::by_table::ByTable;
use crate::snapshot::catalog::{Column, ColumnDetail, Constraint, RelationKind};
use crate::snapshot::object::{Address, Class};
use std::collections::BTreeSet;

pub(super) fn columns(plan: &mut Plan<'_>, saved: &[Save]) -> Vec<Step> {
    let mut steps = Vec::new();
    let staged = staged(plan, saved);
    for table in plan.tables.values() {
        let work = Work { plan, table, name: plan.before.relation_name(table.before) };
        work.retype(&mut steps, &|number| !staged.contains(&Address::column(table.after, number)));
        work.to_text(&mut steps, &staged);
        work.add(&mut steps);
    }
    // Saved values may be nulls the migration filled in, so the rows must be free to take them.
    for table in plan.tables.values() {
        let work = Work { plan, table, name: plan.before.relation_name(table.before) };
        work.loosen(&mut steps);
    }
    for save in saved.iter().filter(|save| !matches!(save.kind, SaveKind::Positions(_))) {
        steps.extend(values(plan, save));
    }
    for table in plan.tables.values() {
        let work = Work { plan, table, name: plan.before.relation_name(table.before) };
        work.retype(&mut steps, &|number| staged.contains(&Address::column(table.after, number)));
    }
    // What is handed down comes first, so that heirs can have something else.
    let (heirs, others): (Vec<&TablePlan>, Vec<&TablePlan>) = plan.tables.values().partition(|table| {
        plan.before.relation_details.get(&table.before).is_some_and(|detail| !detail.parents.is_empty())
    });
    for table in others.into_iter().chain(heirs) {
        let work = Work { plan, table, name: plan.before.relation_name(table.before) };
        work.finish(&mut steps);
    }
    for save in saved.iter().filter(|save| matches!(save.kind, SaveKind::Positions(_))) {
        plan.late_positions.push(Step::new("Where the sequences stood.", save.restore_sql()));
    }
    steps
}

/// Columns of enumerations made anew that hold labels of the migration until saved values are back: text in between.
fn staged(plan: &Plan<'_>, saved: &[Save]) -> BTreeSet<Address> {
    let rows = saved.iter().filter(|save| matches!(save.kind, SaveKind::Rows { .. } | SaveKind::Written(_)));
    rows.filter_map(|save| Some((plan.pairing.relation_after(save.table)?, &save.numbers)))
        .flat_map(|(after, numbers)| numbers.iter().map(move |number| Address::column(after, *number)))
        .filter(|column| plan.of_replaced_types.contains(column) && !plan.of_rebuilt_composites.contains(column))
        .collect()
}

/// The constraint by which a column is NOT NULL: a row of its own from version 18 on.
fn not_null<'a>(side: &ByTable<'a>, table: Oid, column: &str) -> Option<&'a Constraint> {
    let mut all = side.constraints(table).map(|(_, constraint)| constraint);
    all.find(|found| found.kind == 'n' && found.columns.first().is_some_and(|first| first == column))
}

struct Work<'a, 'p> {
    plan: &'a Plan<'p>,
    table: &'a TablePlan,
    name: String,
}

impl Work<'_, '_> {
    fn alter(&self) -> String {
        let kind = self.plan.before.relations.get(&self.table.before).map_or(RelationKind::Table, |found| found.kind);
        format!("ALTER {} {}", relation_word(kind), self.name)
    }

    fn was(&self, number: i16) -> Option<(&Column, &ColumnDetail)> {
        let key = (self.table.before, number);
        Some((self.plan.before.columns.get(&key)?, self.plan.before.column_details.get(&key)?))
    }

    fn now(&self, number: i16) -> Option<(&Column, &ColumnDetail)> {
        let key = (self.table.after, number);
        Some((self.plan.after.columns.get(&key)?, self.plan.after.column_details.get(&key)?))
    }

    /// The parent's statement adds the column here, too.
    fn is_inherited(&self, number: i16) -> bool {
        self.plan.added_with(self.table, number).is_some()
    }

    fn to_text(&self, steps: &mut Vec<Step>, staged: &BTreeSet<Address>) {
        let mut actions = Vec::new();
        for number in &self.table.retyped {
            let Some((old, _)) = self.was(*number) else { continue };
            if staged.contains(&Address::column(self.table.after, *number))
                && !self.plan.comes_from_parent(self.table.after, *number)
            {
                let text = if old.type_name.ends_with("[]") { "text[]" } else { "text" };
                let name = identifier(&old.name);
                actions.push(format!("ALTER COLUMN {name} TYPE {text} USING {name}::{text}"));
            }
        }
        if !actions.is_empty() {
            steps.push(Step::new(
                format!("{}: text until the saved values are back: some are of the migration's own labels.", self.name),
                format!("{}\n    {};", self.alter(), actions.join(",\n    ")),
            ));
        }
    }

    fn retype(&self, steps: &mut Vec<Step>, wanted: &dyn Fn(i16) -> bool) {
        let mut actions = Vec::new();
        let own = |number: &&i16| wanted(**number) && !self.plan.comes_from_parent(self.table.after, **number);
        for number in self.table.retyped.iter().filter(own) {
            let (Some((old, old_detail)), Some((_, new_detail))) = (self.was(*number), self.now(*number)) else {
                continue;
            };
            let name = identifier(&old.name);
            let collation = old.collation.as_ref().map(|found| format!(" COLLATE {found}")).unwrap_or_default();
            let using = match self.conversion(*number, &name, old, old_detail, new_detail) {
                Conversion::Assigned => String::new(),
                Conversion::Using(expression) => format!(" USING {expression}"),
                Conversion::Impossible => {
                    if old.not_null {
                        actions.push(format!("ALTER COLUMN {name} DROP NOT NULL"));
                    }
                    format!(" USING NULL::{}", old.type_name)
                }
            };
            actions.push(format!("ALTER COLUMN {name} TYPE {}{collation}{using}", old.type_name));
        }
        if !actions.is_empty() {
            steps.push(Step::new(
                format!("{}: types changed by the migration. The table is rewritten and locked meanwhile.", self.name),
                format!("{}\n    {};", self.alter(), actions.join(",\n    ")),
            ));
        }
    }

    fn conversion(
        &self,
        number: i16,
        name: &str,
        old: &Column,
        old_detail: &ColumnDetail,
        new_detail: &ColumnDetail,
    ) -> Conversion {
        const STRINGS: [Oid; 3] = [25, 1042, 1043];
        if self.plan.of_rebuilt_composites.contains(&Address::column(self.table.after, number)) {
            return Conversion::Impossible;
        }
        if !self.plan.casts && old_detail.type_oid != new_detail.type_oid {
            return Conversion::Impossible;
        }
        if !old_detail.builtin_type || !new_detail.builtin_type {
            return Conversion::Using(format!("{name}::text::{}", old.type_name));
        }
        if old_detail.type_oid == new_detail.type_oid || STRINGS.contains(&old_detail.type_oid) {
            return Conversion::Assigned;
        }
        match self.plan.after.casts.get(&(new_detail.type_oid, old_detail.type_oid)) {
            Some('a' | 'i') => Conversion::Assigned,
            Some(_) => Conversion::Using(format!("{name}::{}", old.type_name)),
            None if STRINGS.contains(&new_detail.type_oid) => Conversion::Using(format!("{name}::{}", old.type_name)),
            None if old.type_name.ends_with("[]") => Conversion::Using(format!("{name}::text::{}", old.type_name)),
            None => Conversion::Impossible,
        }
    }

    fn add(&self, steps: &mut Vec<Step>) {
        let mut plain = Vec::new();
        let mut generated = Vec::new();
        for number in self.table.dropped.iter().filter(|number| !self.is_inherited(**number)) {
            let Some((old, _)) = self.was(*number) else { continue };
            let mut text = format!("ADD COLUMN {} {}", identifier(&old.name), old.type_name);
            if let Some(collation) = &old.collation {
                text.push_str(&format!(" COLLATE {collation}"));
            }
            match (&old.generated, &old.default) {
                (Some(kind), Some(expression)) => {
                    let stored = if *kind == 's' { " STORED" } else { " VIRTUAL" };
                    text.push_str(&format!(" GENERATED ALWAYS AS ({}){stored}", reparsable(expression)));
                    if old.not_null {
                        text.push_str(" NOT NULL");
                    }
                    generated.push(text);
                }
                (None, Some(default)) if old.not_null && !self.default_comes_later(*number) => {
                    // Rows written since have no saved value: the default is the best there is.
                    text.push_str(&format!(" DEFAULT {default}"));
                    plain.push(text);
                }
                _ => plain.push(text),
            }
        }
        plain.extend(generated);
        for action in plain {
            steps.push(Step::new(
                format!("{}: columns dropped by the migration, or made again because of an expression.", self.name),
                format!("{} {action};", self.alter()),
            ));
        }
    }

    /// A default that calls a function which is only put back after the columns.
    fn default_comes_later(&self, number: i16) -> bool {
        let default = Address::default_of(self.table.before, number);
        self.plan.before.dependencies.iter().any(|dependency| {
            dependency.dependent == default
                && dependency.referenced.class == Class::Function
                && self.plan.before.functions.get(&dependency.referenced.oid).is_some_and(|found| found.parsed_body)
                && self.plan.restore.contains(&dependency.referenced)
        })
    }

    /// What the migration began to require of surviving columns.
    fn loosen(&self, steps: &mut Vec<Step>) {
        for old in self.plan.before.columns_of(self.table.before) {
            let Some((now, _)) = self.now(old.number).filter(|_| !self.table.dropped.contains(&old.number)) else {
                continue;
            };
            if !old.not_null && now.not_null {
                steps.push(Step::new("Took nulls before.", format!("{} DROP NOT NULL;", self.column(old))));
            }
        }
    }

    fn finish(&self, steps: &mut Vec<Step>) {
        let numbers: Vec<i16> = self.plan.before.columns_of(self.table.before).map(|column| column.number).collect();
        for number in numbers {
            let Some((old, old_detail)) = self.was(number) else { continue };
            let again = self.table.dropped.contains(&number);
            let now = if again { None } else { self.now(number) };
            if again && let Some(parent) = self.plan.added_with(self.table, number) {
                self.as_added_with(steps, number, old, old_detail, parent);
                continue;
            }
            self.nulls(steps, number, old, now.map(|(column, _)| column));
            self.default(steps, number, old, old_detail, now);
            self.identity_kind(steps, old, now.map(|(column, _)| column));
            self.storage(steps, old, old_detail, now.map(|(_, detail)| detail));
        }
    }

    /// A column that a parent's statement added here has what the parent's has, where that is handed down.
    fn as_added_with(
        &self,
        steps: &mut Vec<Step>,
        number: i16,
        old: &Column,
        old_detail: &ColumnDetail,
        parent: (Oid, i16),
    ) {
        let (Some(parents), Some(parents_detail)) =
            (self.plan.before.columns.get(&parent), self.plan.before.column_details.get(&parent))
        else {
            return;
        };
        if old.not_null && !parents.not_null {
            self.nulls(steps, number, old, None);
        }
        if old.default != parents.default && old.generated.is_none() {
            let set =
                old.default.as_ref().map_or("DROP DEFAULT".to_owned(), |default| format!("SET DEFAULT {default}"));
            steps.push(Step::new("Its own default.", format!("{} {set};", self.column(old))));
        }
        let handed_down = ColumnDetail {
            statistics_target: parents_detail.statistics_target,
            storage: parents_detail.storage,
            compression: parents_detail.compression,
            ..ColumnDetail::default()
        };
        self.storage(steps, old, old_detail, Some(&handed_down));
    }

    fn column(&self, old: &Column) -> String {
        format!("{} ALTER COLUMN {}", self.alter(), identifier(&old.name))
    }

    /// An identity that is gone comes back with its sequence, from the dump.
    fn identity_kind(&self, steps: &mut Vec<Step>, old: &Column, now: Option<&Column>) {
        if let (Some(kind), Some(now)) = (old.identity, now)
            && let Some(other) = now.identity
            && kind != other
        {
            let words = if kind == 'a' { "ALWAYS" } else { "BY DEFAULT" };
            steps
                .push(Step::new("The identity column's kind.", format!("{} SET GENERATED {words};", self.column(old))));
        }
    }

    fn nulls(&self, steps: &mut Vec<Step>, number: i16, old: &Column, now: Option<&Column>) {
        let dropped_for_type = self.table.retyped.contains(&number) && self.lost_not_null(number);
        let not_null_now = now.is_some_and(|now| now.not_null) && !dropped_for_type;
        let generated_again = now.is_none() && old.generated.is_some();
        if old.not_null && !not_null_now && !generated_again {
            let name = self.not_null_name(number);
            if self.requires_by_parent(number) {
                return;
            }
            let sql = match name {
                Some((name, definition)) => {
                    format!("{} ADD CONSTRAINT {} {definition};", self.alter(), identifier(&name))
                }
                None => format!("{} SET NOT NULL;", self.column(old)),
            };
            steps.push(Step::new("Took no nulls before.", sql));
        } else if old.not_null && not_null_now {
            self.rename_not_null(steps, number);
        }
    }

    fn lost_not_null(&self, number: i16) -> bool {
        let (Some((old, old_detail)), Some((_, new_detail))) = (self.was(number), self.now(number)) else {
            return false;
        };
        matches!(self.conversion(number, "", old, old_detail, new_detail), Conversion::Impossible) && old.not_null
    }

    /// Whether `NOT NULL` is a constraint of a parent's and comes back here with the parent's statement.
    fn requires_by_parent(&self, number: i16) -> bool {
        let (Some((old, _)), Some(now)) = (self.was(number), self.plan.after.relation_details.get(&self.table.after))
        else {
            return false;
        };
        let inherited = self.plan.before.constraints.values().any(|constraint| {
            constraint.kind == 'n'
                && constraint.inherited
                && constraint.table == Some(self.table.before)
                && constraint.columns.first() == Some(&old.name)
        });
        let parents = self.plan.before.relation_details.get(&self.table.before).map(|detail| &detail.parents);
        let mut parents = parents.into_iter().flatten();
        let stays =
            |parent: &Oid| self.plan.pairing.relation_after(*parent).is_some_and(|after| now.parents.contains(&after));
        inherited && parents.any(stays)
    }

    /// Name and definition of the constraint behind `NOT NULL`, which has both from version 18 on.
    fn not_null_name(&self, number: i16) -> Option<(String, String)> {
        let (old, _) = self.was(number)?;
        let found = not_null(&self.plan.by_table[0], self.table.before, &old.name)?;
        Some((found.name.clone(), found.definition.clone()))
    }

    fn rename_not_null(&self, steps: &mut Vec<Step>, number: i16) {
        let Some((new, _)) = self.now(number) else { return };
        let now = not_null(&self.plan.by_table[1], self.table.after, &new.name);
        let (Some((name, definition)), Some(now)) = (self.not_null_name(number), now) else { return };
        let paired = self.plan.pairing.before(Address::new(Class::Constraint, now.oid)).is_some_and(|before| {
            self.plan.before.constraints.get(&before.oid).is_some_and(|found| found.name == name)
        });
        // A pair under one OID was renamed back with the other names.
        if now.name != name && !paired && !now.inherited {
            steps.push(Step::new(
                "The name of its NOT NULL.",
                format!("{} RENAME CONSTRAINT {} TO {};", self.alter(), identifier(&now.name), identifier(&name)),
            ));
        }
        let alone = |definition: &str| definition.contains(" NO INHERIT");
        if alone(&definition) != alone(&now.definition) && !now.inherited {
            let words = if alone(&definition) { "NO INHERIT" } else { "INHERIT" };
            steps.push(Step::new(
                "Whether heirs have its NOT NULL.",
                format!("{} ALTER CONSTRAINT {} {words};", self.alter(), identifier(&name)),
            ));
        }
    }

    fn default(
        &self,
        steps: &mut Vec<Step>,
        number: i16,
        old: &Column,
        old_detail: &ColumnDetail,
        now: Option<(&Column, &ColumnDetail)>,
    ) {
        if old.generated.is_some() {
            return;
        }
        let dropped = self.plan.drop.contains(&Address::default_of(self.table.after, number));
        let now = now.filter(|(column, _)| !dropped && column.default.is_some());
        match (&old.default, now) {
            (Some(default), Some((column, detail)))
                if detail.default_raw == old_detail.default_raw || column.default.as_ref() == Some(default) => {}
            (Some(default), _) => {
                steps.push(Step::new("The default.", format!("{} SET DEFAULT {default};", self.column(old))));
            }
            (None, Some(_)) => {
                steps.push(Step::new("The default.", format!("{} DROP DEFAULT;", self.column(old))));
            }
            (None, None) => {}
        }
    }

    fn storage(&self, steps: &mut Vec<Step>, old: &Column, detail: &ColumnDetail, now: Option<&ColumnDetail>) {
        let fresh = ColumnDetail { storage: detail.storage, default_storage: true, ..ColumnDetail::default() };
        let again = now.is_none();
        let now = now.unwrap_or(&fresh);
        let column = self.column(old);
        let mut push = |sql: String| steps.push(Step::new("How it is stored and what is gathered about it.", sql));
        if detail.statistics_target != now.statistics_target {
            push(format!("{column} SET STATISTICS {};", detail.statistics_target.unwrap_or(-1)));
        }
        if (again && !detail.default_storage) || (!again && detail.storage != now.storage) {
            let words = match detail.storage {
                'e' => "EXTERNAL",
                'm' => "MAIN",
                'x' => "EXTENDED",
                _ => "PLAIN",
            };
            push(format!("{column} SET STORAGE {words};"));
        }
        if detail.compression != now.compression {
            let method = match detail.compression {
                Some('l') => "lz4",
                Some('p') => "pglz",
                _ => "default",
            };
            push(format!("{column} SET COMPRESSION {method};"));
        }
        for sql in super::tables::options(&column, "", &detail.options, &now.options) {
            push(sql);
        }
        if let Some(sql) = super::tables::foreign_options(&column, &detail.foreign_options, &now.foreign_options) {
            push(sql);
        }
    }
}

enum Conversion {
    /// The server converts by itself, and refuses what does not fit.
    Assigned,
    /// By this expression.
    Using(String),
    /// There is no way back: only the backup has the values.
    Impossible,
}
