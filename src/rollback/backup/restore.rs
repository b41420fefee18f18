//! The statements of `rollback.sql` that bring saved values back.

use super::super::names::{identifier, identifiers};
use super::{Key, Position, Save, SaveKind, SavedColumn, Written, row_text};
use crate::engine::postgres::session::quote_literal;

impl SavedColumn {
    pub(super) fn plain(&self) -> String {
        identifier(&self.name)
    }
}

/// `ROW(b.x::text, b.y::text)`.
pub(super) fn texts<'a>(row: &str, columns: impl IntoIterator<Item = &'a SavedColumn>) -> String {
    let each: Vec<String> = columns.into_iter().map(|column| format!("{row}.{}::text", column.plain())).collect();
    format!("ROW({})", each.join(", "))
}

impl Save {
    /// The statement of `rollback.sql` that brings the values back, once columns and tables stand again. Without a
    /// backup it only warns.
    pub(in crate::rollback) fn restore_sql(&self) -> String {
        let name = self.backup_name();
        let settings =
            format!("PERFORM pg_catalog.set_config(name, setting, true) FROM {}.settings;", identifier(&self.schema));
        let mut statements = vec![settings];
        statements.extend(match &self.kind {
            // The table was just made again, unless the migration stopped before it dropped it.
            SaveKind::Table => {
                vec![format!("IF NOT EXISTS (SELECT FROM {}) THEN\n            {}\n        END IF;", self.scanned(), self.insert_all(&name))]
            }
            SaveKind::Columns(Key::Columns(keys)) => self.undo_columns(&name, keys),
            SaveKind::Columns(Key::Occurrence(keys)) => vec![self.update_by_occurrence(&name, keys)],
            SaveKind::Rows { key: Key::Columns(keys), deletes, replaces: None } => {
                self.undo_rows(&name, keys, *deletes, "")
            }
            SaveKind::Rows { key: Key::Columns(keys), replaces: Some(referrers), .. } => {
                self.replace_rows(&name, keys, referrers)
            }
            // Without a key there is no telling which row became which: what is there is replaced.
            SaveKind::Rows { key: Key::Occurrence(_), .. } => {
                vec![format!("DELETE FROM {};", self.scanned()), self.insert_all(&name)]
            }
            SaveKind::Written(written) => self.undo_written(&name, written),
            SaveKind::Added(added) => self.take_out(&name, added),
            // One that has come further by itself stays there: no number is given twice.
            SaveKind::Positions(sequences) => sequences
                .iter()
                .flat_map(|Position { sequence, rising, fills }| {
                    let behind = if *rising { "<" } else { ">" };
                    let saved = format!(
                        "PERFORM pg_catalog.setval({0}, b.last_value, b.is_called) FROM {name} AS b, {sequence} AS now\n            \
                         WHERE b.sequence = {0} AND (now.last_value {behind} b.last_value\n                OR now.last_value = \
                         b.last_value AND b.is_called AND NOT now.is_called);",
                        quote_literal(sequence)
                    );
                    let filled = fills.as_ref().map(|(table, column)| {
                        format!(
                            "PERFORM pg_catalog.setval({}, t.highest) FROM (SELECT max({column}) AS highest FROM {table}) AS t,\n                \
                             {sequence} AS now WHERE t.highest > now.last_value;",
                            quote_literal(sequence)
                        )
                    });
                    std::iter::once(saved).chain(filled)
                })
                .collect(),
        });
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
            self.columns.iter().map(|column| format!("{} = {}", column.plain(), column.value())).collect();
        each.join(", ")
    }

    fn insert_all(&self, name: &str) -> String {
        let values: Vec<String> = self.columns.iter().map(SavedColumn::value).collect();
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

    /// All rows, found by a key that may be null: what refers to a row stays with it.
    fn replace_rows(&self, name: &str, keys: &[SavedColumn], referrers: &[String]) -> Vec<String> {
        let matched: Vec<String> = keys.iter().map(SavedColumn::matched).collect();
        let used: Vec<String> = referrers.iter().map(|rows| format!("EXISTS ({rows})")).collect();
        let known: Vec<String> = keys.iter().map(|key| format!("b.{} IS NOT NULL AND ", key.plain())).collect();
        let nulls: Vec<String> = keys.iter().map(|key| format!("b.{} IS NULL", key.plain())).collect();
        let mut steps = vec![
            format!(
                "DELETE FROM {} AS t\n            WHERE NOT EXISTS (SELECT FROM {name} AS b WHERE {})\n                AND NOT ({});",
                self.scanned(),
                matched.join(" AND "),
                used.join(" OR ")
            ),
            format!("{};", self.insert_missing(name, keys, &format!("({}) AND ", nulls.join(" OR ")))),
        ];
        steps.extend(self.undo_rows(name, keys, true, &known.concat()));
        steps
    }

    /// All rows, or the columns that were assigned of all rows; `only` is a further condition on rows `b` that were deleted.
    fn undo_rows(&self, name: &str, keys: &[SavedColumn], deletes: bool, only: &str) -> Vec<String> {
        let matched: Vec<String> = keys.iter().map(SavedColumn::matched).collect();
        let matched = matched.join(" AND ");
        let (scanned, assigned) = (self.scanned(), self.assignments());
        let differs = format!("{} IS DISTINCT FROM {}", texts("t", &self.columns), texts("b", &self.columns));
        let mut rows = Patient { save: self, keys, name, steps: Vec::new(), left: Vec::new() };
        // Rows first: others of the same table may refer to them.
        if deletes {
            rows.steps.push(self.insert_missing(name, keys, only));
            rows.left.push(format!("{only}NOT EXISTS (SELECT FROM {scanned} AS t WHERE {matched})"));
        }
        if !self.columns.is_empty() {
            rows.steps.push(format!(
                "UPDATE {scanned} AS t SET {assigned}\n            FROM {name} AS b WHERE {matched} AND {differs}"
            ));
            rows.left
                .push(format!("EXISTS (\n                SELECT FROM {scanned} AS t WHERE {matched} AND {differs})"));
        }
        let mut steps = rows.statements();
        steps.extend(self.contended.then(|| self.count_left_alone()));
        steps
    }

    /// Columns that were dropped or converted. A converted value that is not what the saved one was converted to is
    /// somebody else's.
    fn undo_columns(&self, name: &str, keys: &[SavedColumn]) -> Vec<String> {
        let matched: Vec<String> = keys.iter().map(SavedColumn::matched).collect();
        let matched = matched.join(" AND ");
        let mut foreign = Vec::new();
        let set: Vec<String> = self
            .columns
            .iter()
            .map(|column| {
                let plain = column.plain();
                let Some(converted) = &column.converted_to else { return format!("{plain} = {}", column.value()) };
                let migrated = format!("b.{plain}::{converted}::{}::text", column.type_name);
                let now = format!("t.{plain}::text");
                foreign.push(format!("({now} IS DISTINCT FROM {migrated} AND {now} IS DISTINCT FROM b.{plain}::text)"));
                format!("{plain} = CASE WHEN {now} IS NOT DISTINCT FROM {migrated} THEN b.{plain} ELSE t.{plain} END")
            })
            .collect();
        let update = format!(
            "UPDATE {} AS t SET {}\n            FROM {name} AS b WHERE {matched};",
            self.scanned(),
            set.join(",\n                ")
        );
        if foreign.is_empty() {
            return vec![update];
        }
        let there = format!(
            "EXISTS (\n                SELECT FROM {} AS t WHERE {matched} AND ({}))",
            self.scanned(),
            foreign.join(" OR ")
        );
        vec![self.leave_alone(name, keys, "changed since", &there), update, self.count_left_alone()]
    }

    /// Puts back rows that are not there; `only` is a further condition on `b`. Without its semicolon.
    fn insert_missing(&self, name: &str, keys: &[SavedColumn], only: &str) -> String {
        let mut names: Vec<String> = keys.iter().map(SavedColumn::plain).collect();
        let mut values: Vec<String> = keys.iter().map(SavedColumn::value).collect();
        names.extend(self.columns.iter().map(SavedColumn::plain));
        values.extend(self.columns.iter().map(SavedColumn::value));
        let matched: Vec<String> = keys.iter().map(SavedColumn::matched).collect();
        format!(
            "INSERT INTO {origin} ({}) OVERRIDING SYSTEM VALUE\n            SELECT {} FROM {name} AS b\n            \
             WHERE {only}NOT EXISTS (SELECT FROM {scanned} AS t WHERE {})",
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
            origin = self.scanned(),
        )
    }

    /// Notes rows of the backup that are left as they are.
    pub(super) fn leave_alone(&self, name: &str, keys: &[SavedColumn], why: &str, condition: &str) -> String {
        let key: Vec<String> = keys.iter().map(|key| format!("b.{}", key.plain())).collect();
        format!(
            "INSERT INTO {}.left_alone\n            SELECT {}, concat_ws(', ', {}), {}\n            FROM {name} AS b WHERE {condition};",
            identifier(&self.schema),
            quote_literal(&self.origin),
            key.join(", "),
            quote_literal(why)
        )
    }

    /// Says how many rows are left as they are.
    pub(super) fn count_left_alone(&self) -> String {
        let (schema, origin) = (identifier(&self.schema), quote_literal(&self.origin));
        format!(
            "IF EXISTS (SELECT FROM {schema}.left_alone WHERE origin = {origin}) THEN\n            RAISE WARNING '% rows of % were \
             changed since the migration and are left alone; {schema}.left_alone lists them',\n                (SELECT count(*) \
             FROM {schema}.left_alone WHERE origin = {origin}), {origin};\n        END IF;"
        )
    }

    fn undo_written(&self, name: &str, written: &Written) -> Vec<String> {
        let migrated = |name: &str| {
            let place = written.assigned.iter().position(|assigned| assigned == name)?;
            Some(format!("b.seatrial_migrated[{}]", place + 1))
        };
        // A key the migration changed is found under what it was changed to.
        let matched: Vec<String> = written
            .keys
            .iter()
            .map(|key| match migrated(&key.name) {
                Some(value) => format!("t.{}::text = {value}", key.plain()),
                None => key.matched(),
            })
            .collect();
        let matched = matched.join(" AND ");
        let scanned = self.scanned();
        let there = format!("(SELECT FROM {scanned} AS t WHERE {matched})");
        let mut steps = Vec::new();
        let mut rows = Patient { save: self, keys: &written.keys, name, steps: Vec::new(), left: Vec::new() };
        let mut update = None;
        let assigned: Vec<(&SavedColumn, String)> = self
            .columns
            .iter()
            .chain(&written.keys)
            .filter_map(|column| Some((column, migrated(&column.name)?)))
            .collect();
        if !assigned.is_empty() {
            let still: Vec<String> = assigned
                .iter()
                .map(|(column, value)| format!("t.{}::text IS NOT DISTINCT FROM {value}", column.plain()))
                .collect();
            // One that is back already is not asked again.
            let changed: Vec<String> = assigned
                .iter()
                .zip(&still)
                .map(|((column, _), still)| {
                    format!("({still} AND t.{0}::text IS DISTINCT FROM b.{0}::text)", column.plain())
                })
                .collect();
            let foreign: Vec<String> = assigned
                .iter()
                .map(|(column, value)| {
                    let now = format!("t.{}::text", column.plain());
                    format!("({now} IS DISTINCT FROM {value} AND {now} IS DISTINCT FROM b.{}::text)", column.plain())
                })
                .collect();
            let alive = if written.deletes { "NOT b.seatrial_deleted AND " } else { "" };
            steps.push(self.leave_alone(
                name,
                &written.keys,
                "changed since",
                &format!(
                    "{alive}EXISTS (\n                SELECT FROM {scanned} AS t WHERE {matched} AND ({}))",
                    foreign.join(" OR ")
                ),
            ));
            steps.push(self.leave_alone(name, &written.keys, "deleted since", &format!("{alive}NOT EXISTS {there}")));
            let set: Vec<String> = match assigned.as_slice() {
                [(column, _)] => vec![format!("{} = {}", column.plain(), column.value())],
                several => several
                    .iter()
                    .zip(&still)
                    .map(|((column, _), still)| {
                        let plain = column.plain();
                        format!("{plain} = CASE WHEN {still} THEN {} ELSE t.{plain} END", column.value())
                    })
                    .collect(),
            };
            update = Some(format!(
                "UPDATE {scanned} AS t SET {}\n            FROM {name} AS b WHERE {alive}{matched} AND ({})",
                set.join(", "),
                if self.contended { changed.join(" OR ") } else { still.join(" OR ") }
            ));
            rows.left.push(format!(
                "{alive}EXISTS (\n                SELECT FROM {scanned} AS t WHERE {matched} AND ({}))",
                changed.join(" OR ")
            ));
        }
        if written.deletes {
            let before: Vec<String> = written.keys.iter().map(SavedColumn::matched).collect();
            let gone = "b.seatrial_deleted AND ";
            let now: Vec<String> = self
                .columns
                .iter()
                .map(|column| format!("t.{0}::text IS DISTINCT FROM b.{0}::text", column.plain()))
                .collect();
            if !now.is_empty() {
                let other = format!(
                    "{gone}EXISTS (\n                SELECT FROM {scanned} AS t WHERE {} AND ({}))",
                    before.join(" AND "),
                    now.join(" OR ")
                );
                steps.push(self.leave_alone(name, &written.keys, "written again since", &other));
            }
            rows.steps.push(self.insert_missing(name, &written.keys, gone));
            rows.left.push(format!("{gone}NOT EXISTS (SELECT FROM {scanned} AS t WHERE {})", before.join(" AND ")));
        }
        // Rows first: others of the same table may refer to them.
        rows.steps.extend(update);
        steps.extend(rows.statements());
        steps.push(self.count_left_alone());
        steps
    }
}

/// What rows written since may stand in the way of.
struct Patient<'a> {
    save: &'a Save,
    keys: &'a [SavedColumn],
    /// The backup's name.
    name: &'a str,
    /// Statements over rows `b` of it, without their semicolons.
    steps: Vec<String>,
    /// Conditions on `b`: it is not back yet.
    left: Vec<String>,
}

impl Patient<'_> {
    /// All rows at once. Where the server refuses one of them, row by row: one may wait for another to move, and the rest
    /// is left alone.
    fn statements(self) -> Vec<String> {
        let ended = |step: &String| format!("{step};");
        if !self.save.contended {
            return self.steps.iter().map(ended).collect();
        }
        let pad = |by: usize, text: &str| text.replace('\n', &format!("\n{}", " ".repeat(by)));
        let all: Vec<String> = self.steps.iter().map(|step| pad(4, &ended(step))).collect();
        let each: Vec<String> = self
            .steps
            .iter()
            .map(|step| pad(16, &format!("{step} AND b.ctid = place;\nmoved := moved OR FOUND;")))
            .collect();
        let left: Vec<String> = self.left.iter().map(|left| format!("({left})")).collect();
        let left = self.save.leave_alone(
            self.name,
            self.keys,
            "a value it had is taken, or what it refers to is gone",
            &left.join(" OR "),
        );
        let refused = "unique_violation OR exclusion_violation OR foreign_key_violation";
        vec![format!(
            "DECLARE
            place tid;
            moved boolean;
            forward boolean := false;
        BEGIN
            {}
        EXCEPTION WHEN {refused} THEN
            -- Row by row, in turns from either end, as long as any of them goes: one may wait for another to move.
            LOOP
                moved := false;
                forward := NOT forward;
                FOR place IN SELECT b.ctid FROM {} AS b
                    ORDER BY CASE WHEN forward THEN b.ctid END, CASE WHEN NOT forward THEN b.ctid END DESC
                LOOP
                    BEGIN
                        {}
                    EXCEPTION WHEN {refused} THEN
                        NULL;
                    END;
                END LOOP;
                EXIT WHEN NOT moved;
            END LOOP;
            {}
        END;",
            all.join("\n            "),
            self.name,
            each.join("\n                        "),
            pad(4, &left),
        )]
    }
}
