//! What `prepare.sql` saves, and how `rollback.sql` brings it back.
//!
//! Rows are found again by primary key. Where there is none, by everything that stays the same about them and a number
//! among their equals: rows that are equal in all that stays are interchangeable. Values of types and
//! collations people made are saved as plain text, so that the backup does not hold on to one the migration drops.

mod added;
mod decide;
mod lookups;
mod possible;
mod predict;
mod references;
mod restore;
mod statement;
mod take_out;

pub(super) use decide::{is_base_of, lossless, saves};

pub use lookups::Lookups;

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
    /// Saved as text, because its type or collation was made by people.
    pub as_text: bool,
    /// Whether a null is worth no row in the backup: it is what the column holds anyway.
    pub skip_null: bool,
    /// The type the migration converts it to, where converting there and back by plain casts tells a value that is
    /// still the migration's.
    pub converted_to: Option<String>,
    /// It is there after the migration, and nothing tells the migration's value from a later one.
    pub overwrites: bool,
}

/// What one part of the backup is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaveKind {
    /// All rows of a table the migration drops.
    Table,
    /// Columns the migration drops or converts in a way that loses something.
    Columns(Key),
    /// All rows of a table whose rows the migration changes, or the columns it assigns.
    Rows {
        /// How they are found again.
        key: Key,
        /// Rows go: those that are missing are put back.
        deletes: bool,
        /// The key may be null, and rows that are not in the backup under theirs are replaced by those of it: except where
        /// one of these queries over rows that refer to a row `t` finds any.
        replaces: Option<Vec<String>>,
    },
    /// Rows the migration's own statements change, and what those make of them.
    Written(Written),
    /// Rows the migration's own statements add.
    Added(Added),
    /// Positions of sequences the migration drops or sets back.
    Positions(Vec<Position>),
}

/// A sequence whose position is saved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Its qualified name.
    pub sequence: String,
    /// It counts upwards.
    pub rising: bool,
    /// Table and column it gives numbers to, where it comes back in place of another.
    pub fills: Option<(String, String)>,
}

/// Rows told from the statements that change them, on the rows there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// How they are found again.
    pub keys: Vec<SavedColumn>,
    /// The query that finds them before the migration, with the saved columns, `seatrial_migrated` and
    /// `seatrial_deleted`.
    pub query: String,
    /// Columns with an element in `seatrial_migrated`, in order.
    pub assigned: Vec<String>,
    /// Rows go.
    pub deletes: bool,
}

/// Rows told from the statements that add them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// The key, where the statement gives it.
    pub keys: Vec<SavedColumn>,
    /// Else the key column, and the sequence it takes its numbers from: rows of the migration have later ones.
    pub numbered: Option<(SavedColumn, String)>,
    /// Else what tells a row `t` from others. Rows that were there before and look the same are not the migration's, and
    /// where more of them came than the migration adds, nobody can say which ones are.
    pub identity: Option<String>,
    /// Columns whose values cannot be told: later changes to them are not noticed.
    pub untold: Vec<String>,
    /// The query that gives the rows.
    pub query: String,
    /// Backups of the same table whose rows may look like these: more of them came than this statement adds.
    pub alike: Vec<String>,
    /// Queries over other rows that refer to a row `t` of them.
    pub referrers: Vec<String>,
    /// They may refer to each other, and are found by a key.
    pub chained: bool,
    /// What the statement reads of rows that others add, and what others read of its rows.
    pub lookups: Lookups,
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
    /// Rows written since may hold a value that rows had, or what rows referred to may be gone.
    pub contended: bool,
}

impl Added {
    /// Every row is found by its key.
    fn is_given(&self) -> bool {
        self.numbered.is_none() && self.identity.is_none()
    }

    /// Rows that others wrote may look the same and be others. Where everything is told, what looks the same is the same:
    /// any of them may go.
    fn is_ambiguous(&self) -> bool {
        let told = self.keys.is_empty() && self.untold.is_empty();
        !self.is_given() && !told
    }
}

impl SavedColumn {
    fn selected(&self) -> String {
        self.selected_from("")
    }

    /// The same behind the name of a row, such as `b.`.
    fn selected_from(&self, row: &str) -> String {
        let plain = identifier(&self.name);
        if self.as_text {
            format!("{row}{plain}::text COLLATE pg_catalog.\"default\" AS {plain}")
        } else {
            format!("{row}{plain}")
        }
    }

    /// The saved value in its own type.
    fn value(&self) -> String {
        let cast = if self.as_text { format!("::{}", self.type_name) } else { String::new() };
        format!("b.{}{cast}", identifier(&self.name))
    }

    /// Equal in the table and in the backup.
    pub(super) fn matched(&self) -> String {
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
            SaveKind::Rows { key, .. } if names.is_empty() || matches!(key, Key::Occurrence(_)) => {
                format!("{}: all rows, some of which the migration changes, {}.", self.origin, key.describe())
            }
            SaveKind::Rows { key, deletes: true, .. } => {
                format!(
                    "{}: all rows, some of which the migration changes or deletes, {}.",
                    self.origin,
                    key.describe()
                )
            }
            SaveKind::Rows { key, deletes: false, .. } => {
                format!("{}: {names} of all rows, which the migration assigns, {}.", self.origin, key.describe())
            }
            SaveKind::Written(written) if written.assigned.is_empty() => {
                format!("{}: the rows the migration deletes, found by its own condition.", self.origin)
            }
            SaveKind::Written(_) => format!(
                "{}: the rows the migration changes, found by its own condition; as they are, and as it makes them.",
                self.origin
            ),
            SaveKind::Added(_) => format!("{}: the rows the migration adds, to tell them from others.", self.origin),
            SaveKind::Positions(sequences) => {
                let names: Vec<&str> = sequences.iter().map(|position| position.sequence.as_str()).collect();
                format!("Where sequences stand that the migration drops or sets back: {}.", names.join(", "))
            }
        }
    }

    /// Names of the objects that would lose values without this part.
    pub fn objects(&self) -> Vec<String> {
        match &self.kind {
            SaveKind::Columns(_) => {
                self.columns.iter().map(|column| format!("{}.{}", self.origin, identifier(&column.name))).collect()
            }
            SaveKind::Table | SaveKind::Rows { .. } | SaveKind::Written(_) | SaveKind::Added(_) => {
                vec![self.origin.clone()]
            }
            SaveKind::Positions(sequences) => sequences.iter().map(|position| position.sequence.clone()).collect(),
        }
    }

    /// Its qualified name.
    pub(super) fn backup_name(&self) -> String {
        format!("{}.{}", identifier(&self.schema), identifier(&self.backup))
    }

    /// The origin as rows are read from and changed in: without its heirs, which have rows and keys of their own.
    pub(super) fn scanned(&self) -> String {
        format!("{}{}", if self.own_rows { "ONLY " } else { "" }, self.origin)
    }

    /// The statement whose rows are told, for rows that are added: what it reads is told before it. All else follows.
    pub(super) fn told_after(&self) -> usize {
        match &self.kind {
            SaveKind::Added(added) => added.lookups.place,
            _ => usize::MAX,
        }
    }

    /// Statements of `prepare.sql`.
    pub(super) fn prepare_sql(&self) -> String {
        let name = self.backup_name();
        let saved: Vec<String> = self.columns.iter().map(SavedColumn::selected).collect();
        let create = match &self.kind {
            SaveKind::Table | SaveKind::Rows { key: Key::Occurrence(_), .. } => {
                format!("CREATE TABLE {name} AS\n    SELECT {} FROM {};", saved.join(", "), self.scanned())
            }
            SaveKind::Columns(Key::Columns(keys)) | SaveKind::Rows { key: Key::Columns(keys), .. } => {
                let mut selected: Vec<String> = keys.iter().map(SavedColumn::selected).collect();
                selected.extend(saved);
                let worth = self.worth_saving().map(|worth| format!("\n    WHERE {worth}")).unwrap_or_default();
                format!("CREATE TABLE {name} AS\n    SELECT {} FROM {}{worth};", selected.join(", "), self.scanned())
            }
            SaveKind::Columns(Key::Occurrence(keys)) => {
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
            SaveKind::Written(written) => format!(
                "-- It is the migration's own words that are asked, with the names they find.\nSET LOCAL search_path TO \
                 DEFAULT;\nCREATE TABLE {name} AS\n    {};\nSET LOCAL search_path = '';",
                written.query
            ),
            SaveKind::Added(added) => self.prepare_added(&name, added),
            SaveKind::Positions(sequences) => {
                let each: Vec<String> = sequences
                    .iter()
                    .map(|Position { sequence, .. }| {
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

    /// What must hold for everything to come back, beyond what the server checks.
    pub(super) fn conditions(&self) -> Vec<Condition> {
        let text = match &self.kind {
            SaveKind::Table => {
                format!("rows written to {} between prepare.sql and the migration are not saved", self.origin)
            }
            SaveKind::Columns(_) => {
                let named = |wanted: &dyn Fn(&SavedColumn) -> bool| -> Vec<&String> {
                    self.columns.iter().filter(|column| wanted(column)).map(|column| &column.name).collect()
                };
                let stays = |column: &SavedColumn| column.overwrites || column.converted_to.is_some();
                let (gone, kept) = (named(&|column| !stays(column)), named(&stays));
                let overwritten = named(&|column| column.overwrites);
                let mut parts = Vec::new();
                if !gone.is_empty() {
                    parts.push(format!("have no saved value of {}", identifiers(gone)));
                }
                if !kept.is_empty() {
                    let kept = identifiers(kept);
                    parts.push(format!("keep what they hold in {kept}, cast back to the old type"));
                }
                let mut text = format!("rows of {} written after prepare.sql {}", self.origin, parts.join(" and "));
                if !overwritten.is_empty() {
                    text.push_str(&format!(
                        "; later changes to {} are overwritten with what was saved",
                        identifiers(overwritten)
                    ));
                }
                text
            }
            SaveKind::Rows { key: Key::Columns(_), replaces: Some(_), .. } => format!(
                "rows written to {} after prepare.sql are lost unless others refer to them: its key may be null",
                self.origin
            ),
            SaveKind::Rows { key: Key::Columns(_), .. } => {
                format!("changes made to rows of {} after prepare.sql are overwritten with what was saved", self.origin)
            }
            SaveKind::Rows { key: Key::Occurrence(_), .. } => {
                format!("rows written to {} after prepare.sql are lost: it has no key to tell them by", self.origin)
            }
            SaveKind::Written(_) | SaveKind::Added(_) => format!(
                "rows of {} that were changed again after the migration are left alone: rollback.sql counts them and lists them \
                 in {}.left_alone; what is written between prepare.sql and the migration is not saved",
                self.origin,
                identifier(&self.schema)
            ),
            SaveKind::Positions(_) => return Vec::new(),
        };
        let unnoticed = match &self.kind {
            SaveKind::Added(added) if !added.untold.is_empty() => Some(format!(
                "rows the migration added to {} are taken out even if their {} changed since: what the migration wrote there cannot \
                 be told",
                self.origin,
                identifiers(&added.untold)
            )),
            _ => None,
        };
        [Some(text), unnoticed].into_iter().flatten().map(Condition::said).collect()
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

/// Refuses a second run.
pub(super) fn refuse_twice(schema: &str) -> String {
    let name = identifier(schema);
    format!(
        "DO $seatrial$\nBEGIN\n    IF pg_catalog.to_regnamespace({}) IS NOT NULL THEN\n        RAISE EXCEPTION \
         'prepare.sql was run before: the schema {name} exists; run cleanup.sql if what it holds is no longer \
         needed';\n    END IF;\nEND\n$seatrial$;\n",
        quote_literal(&name)
    )
}

/// For `rollback.sql`: what was saved has been put back once already; what was written since would be lost.
pub(super) fn refuse_undone(schema: &str) -> String {
    let saved = format!("{}.saved", identifier(schema));
    format!(
        "DO $seatrial$\nBEGIN\n    IF pg_catalog.to_regclass({}) IS NOT NULL THEN\n        IF EXISTS (SELECT FROM {saved} WHERE \
         undone_at IS NOT NULL) THEN\n            RAISE EXCEPTION 'rollback.sql was run before; what follows its transaction may be \
         run again by itself; nothing was changed';\n        END IF;\n    END IF;\nEND\n$seatrial$;\n",
        quote_literal(&saved)
    )
}

/// For the end of `rollback.sql`: notes that it ran.
pub(super) fn note_undone(schema: &str) -> String {
    let saved = format!("{}.saved", identifier(schema));
    format!(
        "DO $seatrial$\nBEGIN\n    IF pg_catalog.to_regclass({}) IS NOT NULL THEN\n        UPDATE {saved} SET undone_at = \
         now();\n    END IF;\nEND\n$seatrial$;\n",
        quote_literal(&saved)
    )
}

/// Makes the place to save to.
pub(super) fn place(schema: &str) -> String {
    let name = identifier(schema);
    format!(
        "CREATE SCHEMA {name};\nCREATE TABLE {name}.saved (name text \
         PRIMARY KEY, origin text NOT NULL, objects text NOT NULL, saved_at timestamptz NOT NULL DEFAULT now(), undone_at timestamptz);\n\
         -- What rollback.sql finds changed by somebody else since, and leaves as it is.\n\
         CREATE TABLE {name}.left_alone (origin text NOT NULL, row_key text NOT NULL, why text NOT NULL);\n\
         -- What text of values depends on: rollback.sql compares under the same settings.\nCREATE TABLE {name}.settings AS\n    \
         SELECT name, setting FROM pg_catalog.pg_settings\n    WHERE name IN ('TimeZone', 'DateStyle', 'IntervalStyle', \
         'bytea_output', 'extra_float_digits', 'lc_monetary');\n"
    )
}
