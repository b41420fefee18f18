//! What `prepare.sql` saves, and how `rollback.sql` brings it back.
//!
//! Rows are found again by primary key. Where there is none, by everything that stays the same about them and a number
//! among their equals: rows that are equal in all that stays are interchangeable. Values of types people made are saved
//! as text, so that the backup does not hold on to a type the migration drops.

mod decide;

pub(super) use decide::{lossless, saves};

use super::conditions::Condition;
use super::names::{identifier, identifiers};
use crate::engine::postgres::session::quote_literal;
use crate::snapshot::Oid;

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
    /// The schema it is saved in, unquoted.
    pub schema: String,
    /// Its name there, unquoted.
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
    /// The origin is a table of its own rows: rows of tables that inherit from it are not its rows.
    pub own_rows: bool,
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

    /// Its qualified name.
    pub(super) fn backup_name(&self) -> String {
        format!("{}.{}", identifier(&self.schema), identifier(&self.backup))
    }

    /// The origin as rows are read from and changed in: without its heirs where they have rows of their own to save.
    fn scanned(&self) -> String {
        let only = if self.own_rows && matches!(self.kind, SaveKind::Rows(_)) { "ONLY " } else { "" };
        format!("{only}{}", self.origin)
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
                format!("CREATE TABLE {name} AS\n    SELECT {} FROM {}{worth};", selected.join(", "), self.scanned())
            }
            SaveKind::Columns(Key::Occurrence(keys)) | SaveKind::Rows(Key::Occurrence(keys)) => {
                let (row, names) = (row_text(keys), identifiers(self.columns.iter().map(|column| &column.name)));
                let worth = self.worth_saving().map(|worth| format!("\n    WHERE {worth}")).unwrap_or_default();
                let listed = if names.is_empty() { String::new() } else { format!(", {}", saved.join(", ")) };
                format!(
                    "CREATE TABLE {name} AS\n    SELECT seatrial_key, seatrial_number{listed} FROM (\n        SELECT \
                     md5({row}) AS seatrial_key, row_number() OVER (PARTITION BY {row} ORDER BY tableoid, ctid) AS \
                     seatrial_number, t.*\n        FROM {} AS t) AS numbered{worth};",
                    self.scanned()
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
            "{open}{create}{close}\nINSERT INTO {}.saved (name, origin, objects)\n    VALUES ({}, {}, {});",
            identifier(&self.schema),
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
                vec![format!("DELETE FROM {};", self.scanned()), self.insert_all(&name)]
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
            self.scanned(),
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
             WHERE NOT EXISTS (SELECT FROM {scanned} AS t WHERE {});",
            names.join(", "),
            values.join(", "),
            matched.join(" AND "),
            origin = self.origin,
            scanned = self.scanned(),
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
pub(super) fn guard(schema: &str) -> String {
    let name = identifier(schema);
    let text = quote_literal(&name);
    format!(
        "DO $seatrial$\nBEGIN\n    IF pg_catalog.to_regnamespace({text}) IS NOT NULL THEN\n        RAISE EXCEPTION \
         'prepare.sql was run before: the schema {name} exists; run cleanup.sql if what it holds is no longer \
         needed';\n    END IF;\nEND\n$seatrial$;\nCREATE SCHEMA {name};\nCREATE TABLE {name}.saved (name text \
         PRIMARY KEY, origin text NOT NULL, objects text NOT NULL, saved_at timestamptz NOT NULL DEFAULT now());\n"
    )
}
