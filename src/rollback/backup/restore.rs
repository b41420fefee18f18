//! The statements of `rollback.sql` that bring saved values back.

use super::super::names::{identifier, identifiers};
use super::{Added, Key, Position, Save, SaveKind, SavedColumn, Written, row_text};
use crate::engine::postgres::session::quote_literal;

impl SavedColumn {
    fn plain(&self) -> String {
        identifier(&self.name)
    }
}

/// `ROW(b.x::text, b.y::text)`.
fn texts<'a>(row: &str, columns: impl IntoIterator<Item = &'a SavedColumn>) -> String {
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
                vec![format!("IF NOT EXISTS (SELECT FROM ONLY {}) THEN\n            {}\n        END IF;", self.origin, self.insert_all(&name))]
            }
            SaveKind::Columns(Key::Columns(keys)) => self.undo_columns(&name, keys),
            SaveKind::Columns(Key::Occurrence(keys)) => vec![self.update_by_occurrence(&name, keys)],
            SaveKind::Rows { key: Key::Columns(keys), deletes } => {
                // Rows first: others of the same table may refer to them.
                let update = (!self.columns.is_empty()).then(|| self.update_by_key(&name, keys));
                deletes.then(|| self.insert_missing(&name, keys, "")).into_iter().chain(update).collect()
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

    fn update_by_key(&self, name: &str, keys: &[SavedColumn]) -> String {
        let matched: Vec<String> = keys.iter().map(SavedColumn::matched).collect();
        let differs = match self.kind {
            SaveKind::Rows { .. } => {
                format!(" AND {} IS DISTINCT FROM {}", texts("t", &self.columns), texts("b", &self.columns))
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

    /// Puts back rows that are not there; `only` is a further condition on `b`.
    fn insert_missing(&self, name: &str, keys: &[SavedColumn], only: &str) -> String {
        let mut names: Vec<String> = keys.iter().map(SavedColumn::plain).collect();
        let mut values: Vec<String> = keys.iter().map(SavedColumn::value).collect();
        names.extend(self.columns.iter().map(SavedColumn::plain));
        values.extend(self.columns.iter().map(SavedColumn::value));
        let matched: Vec<String> = keys.iter().map(SavedColumn::matched).collect();
        format!(
            "INSERT INTO {origin} ({}) OVERRIDING SYSTEM VALUE\n            SELECT {} FROM {name} AS b\n            \
             WHERE {only}NOT EXISTS (SELECT FROM {scanned} AS t WHERE {});",
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

    /// Notes rows of the backup that are left as they are.
    fn leave_alone(&self, name: &str, keys: &[SavedColumn], why: &str, condition: &str) -> String {
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
    fn count_left_alone(&self) -> String {
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
                "UPDATE {scanned} AS t SET {}\n            FROM {name} AS b WHERE {alive}{matched} AND ({});",
                set.join(", "),
                still.join(" OR ")
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
            steps.push(self.insert_missing(name, &written.keys, gone));
        }
        // Rows first: others of the same table may refer to them.
        steps.extend(update);
        steps.push(self.count_left_alone());
        steps
    }

    /// Statement of `prepare.sql` for rows that are going to be added.
    pub(super) fn prepare_added(&self, name: &str, added: &Added) -> String {
        let listed: Vec<String> = self.columns.iter().map(|column| column.selected_from("v.")).collect();
        let (after, filter) = match &added.numbered {
            Some((_, sequence)) => (
                format!(
                    ",\n    (SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM {sequence}) AS seatrial_after"
                ),
                String::new(),
            ),
            None if added.keys.is_empty() => (String::new(), String::new()),
            None => {
                let matched: Vec<String> = added.keys.iter().map(|key| format!("t.{0} = v.{0}", key.plain())).collect();
                let there = format!("SELECT FROM {} AS t WHERE {}", self.scanned(), matched.join(" AND "));
                (String::new(), format!("\n    WHERE NOT EXISTS ({there})"))
            }
        };
        format!(
            "-- It is the migration's own words that are asked, with the names they find.\nSET LOCAL search_path TO \
             DEFAULT;\nCREATE TABLE {name} AS\n    SELECT {}{after}\n    FROM (\n        {}) AS v{filter};\nSET LOCAL search_path = '';",
            listed.join(", "),
            added.query
        )
    }

    fn take_out(&self, name: &str, added: &Added) -> Vec<String> {
        let scanned = self.scanned();
        let mut steps = Vec::new();
        // The application may have taken to using these rows: they stay then.
        let used: Vec<String> = added.referrers.iter().map(|rows| format!("EXISTS ({rows})")).collect();
        let used = used.join(" OR ");
        let free = if used.is_empty() { String::new() } else { format!("\n                AND NOT ({used})") };
        match &added.numbered {
            None if !added.keys.is_empty() => {
                let matched: Vec<String> = added.keys.iter().map(SavedColumn::matched).collect();
                let matched = matched.join(" AND ");
                let (now, then) = (texts("t", &self.columns), texts("b", &self.columns));
                steps.push(self.leave_alone(
                    name,
                    &added.keys,
                    "changed since",
                    &format!(
                        "EXISTS (\n                SELECT FROM {scanned} AS t WHERE {matched} AND {now} IS DISTINCT FROM {then})"
                    ),
                ));
                if !used.is_empty() {
                    let there =
                        format!("EXISTS (\n                SELECT FROM {scanned} AS t WHERE {matched} AND ({used}))");
                    steps.push(self.leave_alone(name, &added.keys, "referred to since", &there));
                }
                steps.push(format!(
                    "DELETE FROM {scanned} AS t USING {name} AS b\n            WHERE {matched} AND {now} IS NOT DISTINCT FROM {then}{free};"
                ));
            }
            // Equal rows are told apart by their place; the first ones are the migration's.
            numbered => {
                let (mark, saved) = (texts("t", &self.columns), texts("b", &self.columns));
                let (order, later) = match numbered {
                    Some((key, _)) => {
                        let key = key.plain();
                        (format!("t.{key}"), format!(" WHERE t.{key} > (SELECT max(seatrial_after) FROM {name})"))
                    }
                    None => ("t.ctid".to_owned(), String::new()),
                };
                let found = format!(
                    "(\n                SELECT t.ctid AS row, md5({mark}::text) AS mark,\n                    row_number() OVER \
                     (PARTITION BY {mark}::text ORDER BY {order}) AS place\n                FROM {scanned} AS t{later})"
                );
                let wanted = format!(
                    "(\n                SELECT md5({saved}::text) AS mark, row_number() OVER (PARTITION BY {saved}::text) AS place\n                \
                     FROM {name} AS b)"
                );
                steps.push(format!(
                    "INSERT INTO {}.left_alone\n            SELECT {}, 'its key is not known', 'changed or deleted since'\n            \
                     FROM {wanted} AS b WHERE NOT EXISTS (\n                SELECT FROM {found} AS now WHERE now.mark = b.mark AND now.place = b.place);",
                    identifier(&self.schema),
                    quote_literal(&self.origin)
                ));
                if !used.is_empty() {
                    steps.push(format!(
                        "INSERT INTO {}.left_alone\n            SELECT {}, t.ctid::text, 'referred to since'\n            \
                         FROM {scanned} AS t JOIN {found} AS now ON t.ctid = now.row JOIN {wanted} AS b USING (mark, place)\n            \
                         WHERE {used};",
                        identifier(&self.schema),
                        quote_literal(&self.origin)
                    ));
                }
                steps.push(format!(
                    "DELETE FROM {scanned} AS t USING {found} AS now JOIN {wanted} AS b USING (mark, place)\n            \
                     WHERE t.ctid = now.row{free};"
                ));
            }
        }
        steps.push(self.count_left_alone());
        steps
    }
}
