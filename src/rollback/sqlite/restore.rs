//! Rows back into their tables: from the backup, from what is there, or from both.

use super::Input;
use super::pairs::{Pair, column_now};
use super::save::{Kind, Part, ROWID, Save, hidden, own};
use crate::rollback::generate::Step;
use crate::snapshot::sqlite::{Column, Table, TableKind, literal, quote};

/// The name a table bears while it is made again.
pub(super) fn aside(table: &str) -> String {
    format!("seatrial_was_{table}")
}

/// The columns of a key, as `SELECT` lists them.
fn list(parts: &[Part], of: impl Fn(&Part) -> &str, table: &str) -> String {
    let dot = if table.is_empty() { String::new() } else { format!("{table}.") };
    let each: Vec<String> = parts.iter().map(|part| format!("{dot}{}", of(part))).collect();
    each.join(", ")
}

/// The same as one value, to be compared.
fn tuple(parts: &[Part], of: impl Fn(&Part) -> &str, table: &str) -> String {
    let listed = list(parts, of, table);
    if parts.len() == 1 { listed } else { format!("({listed})") }
}

fn now(part: &Part) -> &str {
    &part.now
}

fn saved(part: &Part) -> &str {
    &part.saved
}

/// Columns as they are written to, the rowid first where it is none of them.
fn targets(table: &Table, hidden: Option<&str>) -> String {
    let names = hidden.map(str::to_owned).into_iter().chain(own(table).map(|column| quote(&column.name)));
    names.collect::<Vec<_>>().join(", ")
}

impl Save<'_> {
    /// The backup's table, and what fills it.
    pub(super) fn prepare(&self) -> String {
        let table = self.pair.before;
        let (backup, from) = (quote(&self.backup), quote(&table.name));
        let mut columns: Vec<(String, String)> = Vec::new();
        let mut add = |saved: &str, before: &str| {
            if !columns.iter().any(|(known, _)| known.eq_ignore_ascii_case(saved)) {
                columns.push((saved.to_owned(), before.to_owned()));
            }
        };
        match &self.kind {
            Kind::Remade => return String::new(),
            Kind::Rows => {
                if let Some(rowid) = self.hidden {
                    add(ROWID, rowid);
                }
                own(table).for_each(|column| add(&quote(&column.name), &quote(&column.name)));
            }
            Kind::Keys | Kind::Columns(_) => {}
        }
        self.key.iter().for_each(|part| add(&part.saved, &part.before));
        if let Kind::Columns(names) = &self.kind {
            names.iter().for_each(|name| add(&quote(name), &quote(name)));
        }
        // Columns without a type keep every value as it is stored.
        let mut declared: Vec<String> = columns
            .iter()
            .map(|(saved, _)| if saved == ROWID { format!("{saved} INTEGER PRIMARY KEY") } else { saved.clone() })
            .collect();
        if !self.key.is_empty() && !columns.iter().any(|(saved, _)| saved == ROWID) {
            let key: Vec<&str> = self.key.iter().map(saved).collect();
            declared.push(format!("PRIMARY KEY ({})", key.join(", ")));
        }
        let list = |of: &dyn Fn(&(String, String)) -> String| columns.iter().map(of).collect::<Vec<_>>().join(", ");
        format!(
            "CREATE TABLE main.{backup} ({});\nINSERT INTO main.{backup} ({})\n    SELECT {} FROM main.{from};",
            declared.join(", "),
            list(&|(saved, _)| saved.clone()),
            list(&|(_, before)| before.clone())
        )
    }

    /// What it saves, in words.
    pub(super) fn describe(&self) -> String {
        let name = &self.pair.before.name;
        match &self.kind {
            Kind::Rows => format!("All rows of {name}."),
            Kind::Columns(columns) => format!("Of every row of {name}: {}.", columns.join(", ")),
            Kind::Keys => format!("Which rows {name} has: the migration adds some."),
            Kind::Remade => format!("Nothing of {name}: it is filled again from what it indexes."),
        }
    }

    fn all_saved(&self) -> String {
        let table = self.pair.before;
        let names =
            self.hidden.map(|_| ROWID.to_owned()).into_iter().chain(own(table).map(|column| quote(&column.name)));
        names.collect::<Vec<_>>().join(", ")
    }

    /// All rows of the backup into the table that bears the old name.
    fn put_back(&self, condition: &str) -> String {
        let table = self.pair.before;
        format!(
            "INSERT INTO main.{} ({})\n    SELECT {} FROM main.{}{condition};",
            quote(&table.name),
            targets(table, self.hidden),
            self.all_saved(),
            quote(&self.backup)
        )
    }

    /// Keeps rows that are not in the backup, before they go. `from` is where they are.
    fn keep(&self, from: &str) -> Step {
        let among = if self.key.is_empty() {
            String::new()
        } else {
            format!(
                " WHERE {} NOT IN (SELECT {} FROM main.{})",
                tuple(&self.key, now, ""),
                list(&self.key, saved, ""),
                quote(&self.backup)
            )
        };
        Step::new(
            format!(
                "Rows of {} that came with the migration or later: taken out, and kept here.",
                self.pair.before.name
            ),
            format!("CREATE TABLE main.{} AS SELECT * FROM main.{}{among};", quote(&self.taken_out), quote(from)),
        )
    }

    /// Rows of a table that kept its definition, or has it again.
    pub(super) fn in_place(&self) -> Vec<Step> {
        let name = &self.pair.before.name;
        let (table, backup) = (quote(name), quote(&self.backup));
        let (key_now, key_saved) = (tuple(&self.key, now, ""), tuple(&self.key, saved, ""));
        let (listed_now, listed) = (list(&self.key, now, ""), list(&self.key, saved, ""));
        match &self.kind {
            Kind::Remade => Vec::new(),
            Kind::Keys => vec![
                self.keep(name),
                Step::new(
                    "",
                    format!("DELETE FROM main.{table} WHERE {key_now} NOT IN (SELECT {listed} FROM main.{backup});"),
                ),
            ],
            Kind::Columns(columns) => {
                let (left, right): (Vec<String>, Vec<String>) =
                    columns.iter().map(|column| (quote(column), format!("b.{}", quote(column)))).unzip();
                let set = match left.as_slice() {
                    [one] => one.clone(),
                    many => format!("({})", many.join(", ")),
                };
                let matching: Vec<String> = self.key.iter().map(|part| same(&table, part)).collect();
                vec![Step::new(
                    format!("The saved values of {name}."),
                    format!(
                        "UPDATE main.{table} SET {set} =\n    (SELECT {} FROM main.{backup} AS b WHERE {})\n    WHERE {key_now} IN (SELECT {listed} FROM main.{backup});",
                        right.join(", "),
                        matching.join(" AND ")
                    ),
                )]
            }
            Kind::Rows if self.pair.before.kind == TableKind::Virtual => vec![Step::new(
                format!("The saved rows of {name}."),
                format!("DELETE FROM main.{table};\n{}", self.put_back("")),
            )],
            Kind::Rows => {
                let mut steps = Vec::new();
                let mut sql = String::new();
                if self.does.inserts || self.key.is_empty() {
                    if self.does.inserts {
                        steps.push(self.keep(name));
                    }
                    sql += &format!("DELETE FROM main.{table};\n");
                } else {
                    if !self.does.deletes {
                        steps.push(Step::new(
                            format!("The migration deletes no row of {name}: one that is gone was not wanted any more."),
                            format!("DELETE FROM main.{backup} WHERE {key_saved} NOT IN (SELECT {listed_now} FROM main.{table});"),
                        ));
                    }
                    sql +=
                        &format!("DELETE FROM main.{table} WHERE {key_now} IN (SELECT {listed} FROM main.{backup});\n");
                }
                sql += &self.put_back("");
                steps.push(Step::new(format!("The saved rows of {name}."), sql));
                steps
            }
        }
    }

    /// Rows of a table that was dropped and has just been made again.
    pub(super) fn fill_new(&self) -> Vec<Step> {
        match self.kind {
            Kind::Rows => vec![Step::new("", self.put_back(""))],
            _ => Vec::new(),
        }
    }
}

/// Whether a row `b` of the backup is that of a row of `table`. Without the plus, the column's affinity would be applied to
/// what was saved, and then the backup's key is no index for it: each row would look at all others.
fn same(table: &str, part: &Part) -> String {
    format!("b.{} = +{table}.{}", part.saved, part.now)
}

/// The table made again from its old text, and filled.
pub(super) fn rebuild(input: &Input<'_>, pair: &Pair<'_>, save: Option<&Save<'_>>) -> Vec<Step> {
    let Some(after) = pair.after else { return Vec::new() };
    let name = &pair.before.name;
    let was = aside(name);
    let mut steps = vec![Step::new(
        format!("{name} is made again as it was, and filled."),
        format!("ALTER TABLE {} RENAME TO {};\n{};", quote(name), quote(&was), pair.before.sql.trim_end_matches(';')),
    )];
    steps.extend(fill(input, pair, after, save));
    if pair.before.autoincrement && after.autoincrement {
        steps.push(Step::new(
            "Numbers go on where they stood.",
            format!(
                "DELETE FROM main.sqlite_sequence WHERE name = {0};\nUPDATE main.sqlite_sequence SET name = {0} WHERE name = {1};",
                literal(name),
                literal(&was)
            ),
        ));
    }
    steps.push(Step::new("", format!("DROP TABLE main.{};", quote(&was))));
    steps
}

/// Rows for a table that is being made again, from the one set aside and from the backup.
fn fill(input: &Input<'_>, pair: &Pair<'_>, after: &Table, save: Option<&Save<'_>>) -> Vec<Step> {
    let name = &pair.before.name;
    let was = aside(name);
    // A rowid that is no column stays as long as the migration gave no new ones.
    let hidden_now = hidden(after);
    let hidden = hidden(pair.before).filter(|_| !pair.rebuilt && hidden_now.is_some());
    let current = |column: &Column| match column_now(input, pair, column) {
        Some(now) => format!("c.{}", quote(&now.name)),
        None => column.default.as_ref().map_or_else(|| "NULL".to_owned(), |default| format!("({default})")),
    };
    let select = |value: &dyn Fn(&Column) -> String| {
        let rowid = hidden.and(hidden_now).map(|rowid| format!("c.{rowid}"));
        rowid.into_iter().chain(own(pair.before).map(value)).collect::<Vec<_>>().join(", ")
    };
    let into = format!("INSERT INTO main.{} ({})", quote(name), targets(pair.before, hidden));
    let plain = format!("{into}\n    SELECT {} FROM main.{} AS c", select(&current), quote(&was));
    let Some(save) = save else { return vec![Step::new("", format!("{plain};"))] };
    let backup = quote(&save.backup);
    let (key_now, key_saved) = (tuple(&save.key, now, "c"), tuple(&save.key, saved, ""));
    let (listed_now, listed) = (list(&save.key, now, "c"), list(&save.key, saved, ""));
    match &save.kind {
        Kind::Remade => Vec::new(),
        Kind::Keys => vec![
            save.keep(&was),
            Step::new("", format!("{plain} WHERE {key_now} IN (SELECT {listed} FROM main.{backup});")),
        ],
        Kind::Columns(columns) => {
            let first = save.key.first().map(|part| part.saved.clone()).unwrap_or_default();
            let value = |column: &Column| {
                if columns.contains(&column.name) {
                    format!("CASE WHEN b.{first} IS NULL THEN {} ELSE b.{} END", current(column), quote(&column.name))
                } else {
                    current(column)
                }
            };
            let matching: Vec<String> = save.key.iter().map(|part| same("c", part)).collect();
            vec![Step::new(
                format!("The saved values of {name}."),
                format!(
                    "{into}\n    SELECT {} FROM main.{} AS c\n    LEFT JOIN main.{backup} AS b ON {};",
                    select(&value),
                    quote(&was),
                    matching.join(" AND ")
                ),
            )]
        }
        Kind::Rows => {
            let mut steps = Vec::new();
            let unplaced = save.key.is_empty();
            if save.does.inserts {
                steps.push(save.keep(&was));
            }
            let among = if unplaced || save.does.inserts || save.does.deletes {
                String::new()
            } else {
                format!(" WHERE {key_saved} IN (SELECT {} FROM main.{} AS c)", listed_now, quote(&was))
            };
            steps.push(Step::new(format!("The saved rows of {name}."), save.put_back(&among)));
            if !unplaced && !save.does.inserts {
                steps.push(Step::new(
                    format!("Rows of {name} that were added since."),
                    format!("{plain} WHERE {key_now} NOT IN (SELECT {listed} FROM main.{backup});"),
                ));
            }
            steps
        }
    }
}
