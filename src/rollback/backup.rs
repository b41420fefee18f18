//! What `prepare.sql` saves, and how `rollback.sql` brings it back.
//!
//! Rows are found again by primary key. Where there is none, by everything that stays the same about them and a number
//! among their equals: rows that are equal in all that stays are interchangeable. Values of types people made are saved
//! as text, so that the backup does not hold on to a type the migration drops.

use super::conditions::Condition;
use super::generate::ChangedTable;
use super::names::{column, identifier, identifiers};
use super::planner::{Plan, TablePlan};
use crate::engine::postgres::session::quote_literal;
use crate::snapshot::Oid;
use crate::snapshot::catalog::{Catalog, RelationKind};
use crate::snapshot::object::Address;

/// The schema everything is saved in.
pub const BACKUP_SCHEMA: &str = "seatrial_backup";

/// How a saved row finds its row again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// By these columns.
    Columns(Vec<SavedColumn>),
    /// By the text of these columns and a number among rows that are equal in them.
    Occurrence(Vec<String>),
}

/// One saved column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedColumn {
    /// Name before, unquoted.
    pub name: String,
    /// Type before.
    pub type_name: String,
    /// Saved as text, because its type was made by people.
    pub as_text: bool,
    /// Whether a null is worth no row in the backup: it is what the column holds anyway.
    pub skip_null: bool,
}

/// What one part of the backup is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaveKind {
    /// All rows of a table the migration drops.
    Table,
    /// Columns the migration drops or converts in a way that loses something.
    Columns(Key),
    /// All rows of a table whose rows the migration changes.
    Rows(Key),
    /// Positions of sequences the migration drops or sets back.
    Positions(Vec<String>),
}

/// One table of the backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Save {
    /// Its name in [`BACKUP_SCHEMA`], unquoted.
    pub backup: String,
    /// The table it is saved from, qualified, before the migration.
    pub origin: String,
    /// OID of `origin` before; 0 for positions.
    pub table: Oid,
    /// Attribute numbers of `columns`, before.
    pub numbers: Vec<i16>,
    /// What and why.
    pub kind: SaveKind,
    /// The columns saved, keys left out.
    pub columns: Vec<SavedColumn>,
    /// `relforcerowsecurity` of the origin: its owner sees only some rows.
    pub force_row_security: bool,
}

impl SavedColumn {
    fn selected(&self) -> String {
        let plain = identifier(&self.name);
        if self.as_text { format!("{plain}::text AS {plain}") } else { plain }
    }

    /// The saved value in its own type.
    fn value(&self) -> String {
        let cast = if self.as_text { format!("::{}", self.type_name) } else { String::new() };
        format!("b.{}{cast}", identifier(&self.name))
    }

    /// Equal in the table and in the backup.
    fn matched(&self) -> String {
        let name = identifier(&self.name);
        if self.as_text { format!("t.{name}::text = b.{name}") } else { format!("t.{name} = b.{name}") }
    }
}

impl Save {
    /// In a sentence, for comments.
    pub fn describe(&self) -> String {
        let names = identifiers(self.columns.iter().map(|column| &column.name));
        match &self.kind {
            SaveKind::Table => format!("{} will be dropped: all its rows.", self.origin),
            SaveKind::Columns(key) => format!("{}: the values of {names}, {}.", self.origin, key.describe()),
            SaveKind::Rows(key) => {
                format!("{}: all rows, which the migration changes, {}.", self.origin, key.describe())
            }
            SaveKind::Positions(sequences) => {
                format!("Where sequences stand that the migration drops or sets back: {}.", sequences.join(", "))
            }
        }
    }

    /// Names of the objects that would lose values without this part.
    pub fn objects(&self) -> Vec<String> {
        match &self.kind {
            SaveKind::Columns(_) => {
                self.columns.iter().map(|column| format!("{}.{}", self.origin, identifier(&column.name))).collect()
            }
            SaveKind::Table | SaveKind::Rows(_) => vec![self.origin.clone()],
            SaveKind::Positions(sequences) => sequences.clone(),
        }
    }

    fn backup_name(&self) -> String {
        format!("{BACKUP_SCHEMA}.{}", identifier(&self.backup))
    }

    /// Statements of `prepare.sql`.
    pub(super) fn prepare_sql(&self) -> String {
        let name = self.backup_name();
        let saved: Vec<String> = self.columns.iter().map(SavedColumn::selected).collect();
        let create = match &self.kind {
            SaveKind::Table => {
                format!("CREATE TABLE {name} AS\n    SELECT {} FROM ONLY {};", saved.join(", "), self.origin)
            }
            SaveKind::Columns(Key::Columns(keys)) | SaveKind::Rows(Key::Columns(keys)) => {
                let mut selected: Vec<String> = keys.iter().map(SavedColumn::selected).collect();
                selected.extend(saved);
                let worth = self.worth_saving().map(|worth| format!("\n    WHERE {worth}")).unwrap_or_default();
                format!("CREATE TABLE {name} AS\n    SELECT {} FROM {}{worth};", selected.join(", "), self.origin)
            }
            SaveKind::Columns(Key::Occurrence(keys)) | SaveKind::Rows(Key::Occurrence(keys)) => {
                let (row, names) = (row_text(keys), identifiers(self.columns.iter().map(|column| &column.name)));
                let worth = self.worth_saving().map(|worth| format!("\n    WHERE {worth}")).unwrap_or_default();
                let listed = if names.is_empty() { String::new() } else { format!(", {}", saved.join(", ")) };
                format!(
                    "CREATE TABLE {name} AS\n    SELECT seatrial_key, seatrial_number{listed} FROM (\n        SELECT \
                     md5({row}) AS seatrial_key, row_number() OVER (PARTITION BY {row} ORDER BY tableoid, ctid) AS \
                     seatrial_number, t.*\n        FROM {} AS t) AS numbered{worth};",
                    self.origin
                )
            }
            SaveKind::Positions(sequences) => {
                let each: Vec<String> = sequences
                    .iter()
                    .map(|sequence| {
                        format!("SELECT {} AS sequence, last_value, is_called FROM {sequence}", quote_literal(sequence))
                    })
                    .collect();
                format!("CREATE TABLE {name} AS\n    {};", each.join("\n    UNION ALL "))
            }
        };
        let (open, close) = if self.force_row_security {
            (
                format!("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY;\n", self.origin),
                format!("\nALTER TABLE {} FORCE ROW LEVEL SECURITY;", self.origin),
            )
        } else {
            (String::new(), String::new())
        };
        format!(
            "{open}{create}{close}\nINSERT INTO {BACKUP_SCHEMA}.saved (name, origin, objects)\n    VALUES ({}, {}, {});",
            quote_literal(&self.backup),
            quote_literal(&self.origin),
            quote_literal(&self.objects().join(", "))
        )
    }

    fn worth_saving(&self) -> Option<String> {
        let all_skip = !self.columns.is_empty() && self.columns.iter().all(|column| column.skip_null);
        all_skip.then(|| {
            let each: Vec<String> =
                self.columns.iter().map(|column| format!("{} IS NOT NULL", identifier(&column.name))).collect();
            each.join(" OR ")
        })
    }

    /// The statement of `rollback.sql` that brings the values back, once columns and tables stand again. Without a
    /// backup it only warns.
    pub(super) fn restore_sql(&self) -> String {
        let name = self.backup_name();
        let statements: Vec<String> = match &self.kind {
            SaveKind::Table => vec![self.insert_all(&name)],
            SaveKind::Columns(Key::Columns(keys)) => vec![self.update_by_key(&name, keys)],
            SaveKind::Columns(Key::Occurrence(keys)) => vec![self.update_by_occurrence(&name, keys)],
            SaveKind::Rows(Key::Columns(keys)) => {
                let mut all = Vec::new();
                if !self.columns.is_empty() {
                    all.push(self.update_by_key(&name, keys));
                }
                all.push(self.insert_missing(&name, keys));
                all
            }
            // Without a key there is no telling which row became which: what is there is replaced.
            SaveKind::Rows(Key::Occurrence(_)) => {
                vec![format!("DELETE FROM {};", self.origin), self.insert_all(&name)]
            }
            SaveKind::Positions(_) => {
                vec![format!("PERFORM pg_catalog.setval(sequence::regclass, last_value, is_called) FROM {name};")]
            }
        };
        format!(
            "DO $seatrial$\nBEGIN\n    IF pg_catalog.to_regclass({}) IS NULL THEN\n        RAISE WARNING \
             'prepare.sql was not run: % cannot be brought back', {};\n    ELSE\n        {}\n    END IF;\nEND\n$seatrial$;",
            quote_literal(&name),
            quote_literal(&self.objects().join(", ")),
            statements.join("\n        ")
        )
    }

    fn assignments(&self) -> String {
        let each: Vec<String> =
            self.columns.iter().map(|column| format!("{} = {}", identifier(&column.name), column.value())).collect();
        each.join(", ")
    }

    fn insert_all(&self, name: &str) -> String {
        let values: Vec<String> = self.columns.iter().map(|column| column.value()).collect();
        if values.is_empty() {
            return format!("INSERT INTO {} SELECT FROM {name} AS b;", self.origin);
        }
        format!(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE\n            SELECT {} FROM {name} AS b;",
            self.origin,
            identifiers(self.columns.iter().map(|column| &column.name)),
            values.join(", ")
        )
    }

    fn update_by_key(&self, name: &str, keys: &[SavedColumn]) -> String {
        let matched: Vec<String> = keys.iter().map(SavedColumn::matched).collect();
        let differs = match self.kind {
            SaveKind::Rows(_) => {
                let (now, then): (Vec<String>, Vec<String>) = self
                    .columns
                    .iter()
                    .map(|column| {
                        (
                            format!("t.{}::text", identifier(&column.name)),
                            format!("b.{}::text", identifier(&column.name)),
                        )
                    })
                    .unzip();
                format!(" AND ROW({}) IS DISTINCT FROM ROW({})", now.join(", "), then.join(", "))
            }
            _ => String::new(),
        };
        format!(
            "UPDATE {} AS t SET {}\n            FROM {name} AS b WHERE {}{differs};",
            self.origin,
            self.assignments(),
            matched.join(" AND ")
        )
    }

    fn insert_missing(&self, name: &str, keys: &[SavedColumn]) -> String {
        let mut names: Vec<String> = keys.iter().map(|key| identifier(&key.name)).collect();
        let mut values: Vec<String> = keys.iter().map(SavedColumn::value).collect();
        names.extend(self.columns.iter().map(|column| identifier(&column.name)));
        values.extend(self.columns.iter().map(|column| column.value()));
        let matched: Vec<String> = keys.iter().map(SavedColumn::matched).collect();
        format!(
            "INSERT INTO {origin} ({}) OVERRIDING SYSTEM VALUE\n            SELECT {} FROM {name} AS b\n            \
             WHERE NOT EXISTS (SELECT FROM {origin} AS t WHERE {});",
            names.join(", "),
            values.join(", "),
            matched.join(" AND "),
            origin = self.origin,
        )
    }

    fn update_by_occurrence(&self, name: &str, keys: &[String]) -> String {
        let row = row_text(keys);
        format!(
            "UPDATE {origin} AS t SET {}\n            FROM {name} AS b JOIN (\n                SELECT tableoid AS part, ctid AS \
             place, md5({row}) AS seatrial_key,\n                    row_number() OVER (PARTITION BY {row} ORDER BY \
             tableoid, ctid) AS seatrial_number\n                FROM {origin} AS t) AS now USING (seatrial_key, seatrial_number)\n            \
             WHERE t.tableoid = now.part AND t.ctid = now.place;",
            self.assignments(),
            origin = self.origin,
        )
    }

    /// What must hold for everything to come back, beyond what the server checks.
    pub(super) fn conditions(&self) -> Vec<Condition> {
        let text = match &self.kind {
            SaveKind::Table => {
                format!("rows written to {} between prepare.sql and the migration are not saved", self.origin)
            }
            SaveKind::Columns(_) => format!(
                "rows of {} written after prepare.sql have no saved value of {}",
                self.origin,
                identifiers(self.columns.iter().map(|column| &column.name))
            ),
            SaveKind::Rows(Key::Columns(_)) => {
                format!("changes made to rows of {} after prepare.sql are overwritten with what was saved", self.origin)
            }
            SaveKind::Rows(Key::Occurrence(_)) => {
                format!("rows written to {} after prepare.sql are lost: it has no key to tell them by", self.origin)
            }
            SaveKind::Positions(_) => return Vec::new(),
        };
        vec![Condition { text, query: None }]
    }
}

impl Key {
    fn describe(&self) -> String {
        match self {
            Key::Columns(keys) => format!("keyed by {}", identifiers(keys.iter().map(|key| &key.name))),
            Key::Occurrence(_) => "keyed by what else stands in the row, for want of a key".to_owned(),
        }
    }
}

fn row_text(keys: &[String]) -> String {
    format!("ROW({})::text", identifiers(keys))
}

/// Refuses a second run, and makes the place to save to.
pub(super) fn guard() -> String {
    format!(
        "DO $seatrial$\nBEGIN\n    IF pg_catalog.to_regnamespace('{BACKUP_SCHEMA}') IS NOT NULL THEN\n        RAISE EXCEPTION \
         'prepare.sql was run before: the schema {BACKUP_SCHEMA} exists; run cleanup.sql if what it holds is no longer \
         needed';\n    END IF;\nEND\n$seatrial$;\nCREATE SCHEMA {BACKUP_SCHEMA};\nCREATE TABLE {BACKUP_SCHEMA}.saved (name text \
         PRIMARY KEY, origin text NOT NULL, objects text NOT NULL, saved_at timestamptz NOT NULL DEFAULT now());\n"
    )
}

/// Decides what is saved.
pub(super) fn saves(plan: &mut Plan<'_>, changed: &[ChangedTable]) -> Vec<Save> {
    let mut found = Vec::new();
    dropped_tables(plan, &mut found);
    let changed_tables = changed_tables(plan, changed, &mut found);
    let mut hopeless = Vec::new();
    for table in plan.tables.values() {
        if !changed_tables.contains(&table.before) {
            lost_columns(plan, table, &mut found, &mut hopeless);
        }
    }
    plan.unmodelled.extend(hopeless);
    positions(plan, &mut found);
    for (index, save) in found.iter_mut().enumerate() {
        let stem: String = save.backup.chars().take(40).collect();
        save.backup = format!("{:03}_{stem}", index + 1);
        while save.backup.len() > 63 {
            save.backup.pop();
        }
    }
    found
}

fn saved_column(catalog: &Catalog, table: Oid, number: i16, skip_null: bool) -> Option<SavedColumn> {
    let column = catalog.columns.get(&(table, number))?;
    let detail = catalog.column_details.get(&(table, number))?;
    Some(SavedColumn {
        name: column.name.clone(),
        type_name: column.type_name.clone(),
        as_text: !detail.builtin_type,
        skip_null,
    })
}

fn new_save(plan: &Plan<'_>, table: Oid, kind: SaveKind, numbers: Vec<i16>, columns: Vec<SavedColumn>) -> Option<Save> {
    let relation = plan.before.relations.get(&table)?;
    Some(Save {
        backup: relation.name.clone(),
        origin: relation.qualified.clone(),
        table,
        numbers,
        kind,
        columns,
        force_row_security: plan.before.relation_details.get(&table).is_some_and(|detail| detail.force_row_security),
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

fn changed_tables(plan: &Plan<'_>, changed: &[ChangedTable], found: &mut Vec<Save>) -> Vec<Oid> {
    let mut tables = Vec::new();
    for change in changed {
        // Rows that were only added destroy nothing; taking them out again could take out the application's own.
        if change.updated + change.deleted == 0 {
            continue;
        }
        let table = plan.tables.values().find(|table| plan.before.relation_name(table.before) == change.name);
        let Some(table) = table else { continue };
        let before = table.before;
        let key = match surviving_key(plan, table) {
            Some(key) => Key::Columns(key),
            None => Key::Occurrence(Vec::new()),
        };
        let is_key = |name: &String| matches!(&key, Key::Columns(keys) if keys.iter().any(|key| key.name == *name));
        let numbers: Vec<i16> = plan
            .before
            .columns_of(before)
            .filter(|column| column.generated.is_none() && !is_key(&column.name))
            .map(|column| column.number)
            .collect();
        let columns = numbers.iter().filter_map(|number| saved_column(plan.before, before, *number, false)).collect();
        found.extend(new_save(plan, before, SaveKind::Rows(key), numbers, columns));
        tables.push(before);
    }
    tables
}

fn lost_columns(plan: &Plan<'_>, table: &TablePlan, found: &mut Vec<Save>, hopeless: &mut Vec<String>) {
    let before = table.before;
    let Some(relation) = plan.before.relations.get(&before) else { return };
    let inherited = |number: i16| {
        plan.before.column_details.get(&(before, number)).is_some_and(|detail| detail.inherited && !detail.local)
    };
    let mut numbers = Vec::new();
    let mut columns = Vec::new();
    for old in plan.before.columns_of(before).filter(|column| column.generated.is_none() && !inherited(column.number)) {
        let lost = table.dropped.contains(&old.number);
        let converted = table.retyped.contains(&old.number) && !converts_back(plan, table, old.number);
        if lost || converted {
            numbers.push(old.number);
            // A column that is added again without its default holds nulls: no need to save those.
            let skip_null = lost && !(old.not_null && old.default.is_some());
            columns.extend(saved_column(plan.before, before, old.number, skip_null));
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
    let key = match surviving_key(plan, table) {
        Some(key) => Key::Columns(key),
        None => Key::Occurrence(unchanged_columns(plan, table)),
    };
    found.extend(new_save(plan, before, SaveKind::Columns(key), numbers, columns));
}

/// Whether casting back what the migration converted gives the old values.
fn converts_back(plan: &Plan<'_>, table: &TablePlan, number: i16) -> bool {
    let (Some(old), Some(new)) =
        (plan.before.columns.get(&(table.before, number)), plan.after.columns.get(&(table.after, number)))
    else {
        return false;
    };
    let same = |catalog: &Catalog, table: Oid| {
        catalog.column_details.get(&(table, number)).map(|detail| (detail.type_oid, detail.type_modifier))
    };
    // The same type again: only the collation differs, or its type is one that is made anew.
    same(plan.before, table.before) == same(plan.after, table.after) || lossless(&old.type_name, &new.type_name)
}

/// Columns that identify a row before, and still do after the rollback without any help from the backup.
fn surviving_key(plan: &Plan<'_>, table: &TablePlan) -> Option<Vec<SavedColumn>> {
    let before = table.before;
    let stays = |name: &String| {
        plan.before.columns_of(before).find(|column| column.name == *name).is_some_and(|column| {
            let gone = table.dropped.contains(&column.number);
            let converted = table.retyped.contains(&column.number) && !converts_back(plan, table, column.number);
            column.not_null && !gone && !converted && column.generated.is_none()
        })
    };
    let mut keys: Vec<_> = plan
        .before
        .constraints
        .values()
        .filter(|constraint| constraint.table == Some(before) && matches!(constraint.kind, 'p' | 'u'))
        .filter(|constraint| {
            !plan.before.constraint_details.get(&constraint.oid).is_some_and(|detail| detail.deferrable)
        })
        .filter(|constraint| constraint.columns.iter().all(stays))
        .collect();
    keys.sort_by_key(|constraint| (constraint.kind != 'p', constraint.columns.len(), constraint.oid));
    let names = &keys.first()?.columns;
    let number =
        |name: &String| plan.before.columns_of(before).find(|column| column.name == *name).map(|column| column.number);
    names.iter().map(|name| saved_column(plan.before, before, number(name)?, false)).collect()
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
            sequences.push(plan.before.relation_name(*oid));
        }
    }
    if !sequences.is_empty() {
        sequences.sort();
        found.push(Save {
            backup: "sequences".to_owned(),
            origin: "sequences".to_owned(),
            table: 0,
            numbers: Vec::new(),
            kind: SaveKind::Positions(sequences),
            columns: Vec::new(),
            force_row_security: false,
        });
    }
}

/// Whether every value of `old` comes back from `new` by a cast. A conversion of the migration's own making (`USING`)
/// can still lose something: the proof would show it.
pub(super) fn lossless(old: &str, new: &str) -> bool {
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
