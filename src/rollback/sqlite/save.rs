//! What `prepare.sql` saves: rows and columns the migration destroys, and how they are found again.

use super::Input;
use super::pairs::{Pair, column_now};
use super::plan::is_text_search;
use super::tokens::tokens;
use super::writes::{self, Write};
use crate::snapshot::catalog::qualify;
use crate::snapshot::sqlite::catalog::MAIN;
use crate::snapshot::sqlite::{Affinity, Column, IndexOrigin, Table, TableKind, Trigger, quote, same_name};
use std::collections::BTreeMap;

/// What is saved of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Every row.
    Rows,
    /// These columns of every row.
    Columns(Vec<String>),
    /// Which rows there are: the migration only adds some.
    Keys,
    /// Nothing: the table's contents are made from another one.
    Remade,
}

/// One column of a key: how it is asked for before the migration, in the backup and after it; as SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub before: String,
    pub saved: String,
    pub now: String,
}

/// One part of the backup.
#[derive(Debug, Clone)]
pub(super) struct Save<'a> {
    pub pair: Pair<'a>,
    /// The table it is saved in.
    pub backup: String,
    /// The table that keeps what is taken out again.
    pub taken_out: String,
    pub kind: Kind,
    /// How its rows are found again; empty where nothing tells them.
    pub key: Vec<Part>,
    /// The rowid, where it is no column.
    pub hidden: Option<&'static str>,
    pub does: Does,
}

/// What the migration may do to the rows of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Does {
    pub inserts: bool,
    pub updates: bool,
    pub deletes: bool,
    /// Columns that are assigned; none where it may be any.
    assigned: Option<Vec<String>>,
}

impl Does {
    fn anything() -> Self {
        Self { inserts: true, updates: true, deletes: true, assigned: None }
    }

    fn nothing() -> Self {
        Self { assigned: Some(Vec::new()), ..Self::default() }
    }

    fn add(&mut self, other: &Self) -> bool {
        let was = self.clone();
        self.inserts |= other.inserts;
        self.updates |= other.updates;
        self.deletes |= other.deletes;
        if other.updates {
            self.assigned = match (self.assigned.take(), &other.assigned) {
                (Some(mut own), Some(more)) => {
                    own.extend(
                        more.iter().filter(|name| !was.assigned.iter().flatten().any(|old| old == *name)).cloned(),
                    );
                    Some(own)
                }
                _ => None,
            };
        }
        *self != was
    }
}

impl From<Write> for Does {
    fn from(write: Write) -> Self {
        Self { inserts: write.inserts, updates: write.updates, deletes: write.deletes, assigned: write.assigned }
    }
}

/// The name a saved rowid bears in the backup.
pub(super) const ROWID: &str = "\"seatrial_rowid\"";

/// Everything that has to be saved.
pub(super) fn saves<'a>(input: &Input<'a>, pairs: &[Pair<'a>], unmodelled: &mut Vec<String>) -> Vec<Save<'a>> {
    let done = doings(input, pairs);
    let mut found: Vec<Save<'a>> = Vec::new();
    for pair in pairs {
        let mut does = done.get(&pair.before.name.to_ascii_lowercase()).cloned().unwrap_or_else(Does::nothing);
        let doubted = input.doubted.contains(&qualify(MAIN, &pair.before.name));
        if doubted {
            does = Does::anything();
        }
        let key = key(input, pair);
        let Some(kind) = kind(input, pair, &mut does, &key, doubted) else { continue };
        if kind == Kind::Remade && pair.before.sql.replace(' ', "").to_ascii_lowercase().contains("content=''") {
            unmodelled.push(format!(
                "{}: what it indexed is kept nowhere (content=''), so that nothing brings it back",
                qualify(MAIN, &pair.before.name)
            ));
            continue;
        }
        let name = |word: &str| {
            let mut name = format!("{}{word}_{}", input.backup_schema, pair.before.name);
            let taken = |name: &str| {
                let tables = input.before.tables.keys().chain(input.after.tables.keys());
                let indexes = input.before.indexes.keys().chain(input.after.indexes.keys());
                let views = input.before.views.keys().chain(input.after.views.keys());
                tables.chain(indexes).chain(views).any(|other| same_name(other, name))
                    || found.iter().any(|save| same_name(&save.backup, name) || same_name(&save.taken_out, name))
            };
            while taken(&name) {
                name.push('_');
            }
            name
        };
        let (backup, taken_out) = (name(""), name("_taken_out"));
        found.push(Save { pair: *pair, backup, taken_out, kind, key, hidden: hidden(pair.before), does });
    }
    found
}

/// The rowid of a table that has one and no column for it; a virtual one has it where its rows are known by it.
pub(super) fn hidden(table: &Table) -> Option<&'static str> {
    let known = table.kind != TableKind::Virtual || is_text_search(table);
    // The backup has a column of that name.
    let free = table.column(ROWID.trim_matches('"')).is_none();
    table.rowid().filter(|_| known && free && table.rowid_alias().is_none())
}

/// Columns that hold values of their own.
pub(super) fn own(table: &Table) -> impl Iterator<Item = &Column> + Clone {
    table.columns.iter().filter(|column| column.kind.is_written())
}

fn kind(input: &Input<'_>, pair: &Pair<'_>, does: &mut Does, key: &[Part], doubted: bool) -> Option<Kind> {
    let touched = does.inserts || does.updates || does.deletes;
    if pair.before.kind == TableKind::Virtual {
        let elsewhere = tokens(&pair.before.sql).iter().any(|token| token.is("content"));
        let needed = touched || pair.after.is_none();
        *does = Does::anything();
        return needed.then_some(if elsewhere { Kind::Remade } else { Kind::Rows });
    }
    if pair.after.is_none() || doubted {
        return Some(Kind::Rows);
    }
    let mut columns: Vec<String> = Vec::new();
    if pair.rebuilt {
        let names = |table: &Table| own(table).map(|column| column.name.clone()).collect::<Vec<_>>();
        let after = pair.after.map(names).unwrap_or_default();
        let Some(copied) = writes::copied(input.statements, &pair.before.name, (&names(pair.before), &after)) else {
            // What it did to rows on the way is not told; rows that are not in the backup came later.
            let copies = input.statements.iter().filter_map(|sql| writes::written(sql));
            let more = copies.filter(|write| write.inserts && pair.is_called(&write.target)).count() > 1;
            *does = Does { inserts: more, ..Does::anything() };
            return Some(Kind::Rows);
        };
        let kept = |column: &&Column| {
            let now = column_now(input, pair, column);
            let plain = |now: &Column| {
                let pairs = &mut copied.columns.iter();
                pairs.any(|(old, new)| same_name(old, &column.name) && same_name(new, &now.name))
            };
            now.is_some_and(|now| plain(now) && keeps(pair, column, now))
        };
        columns.extend(own(pair.before).filter(|column| !kept(column)).map(|column| column.name.clone()));
        *does = Does::nothing();
    } else {
        let lost =
            own(pair.before).filter(|column| !column_now(input, pair, column).is_some_and(|now| now.kind.is_written()));
        columns.extend(lost.map(|column| column.name.clone()));
        if does.inserts || does.deletes || does.updates {
            if !(does.updates || does.deletes) && columns.is_empty() && !key.is_empty() {
                return Some(Kind::Keys);
            }
            match assigned(input, pair, does) {
                Some(assigned) => columns.extend(assigned),
                None => return Some(Kind::Rows),
            }
        }
    }
    columns.dedup();
    match columns.is_empty() {
        true => None,
        // Without a key the values cannot be told apart.
        false if key.is_empty() => {
            does.deletes = true;
            Some(Kind::Rows)
        }
        false => Some(Kind::Columns(columns)),
    }
}

/// Whether a column of this type takes every value of the old one as it is.
fn keeps(pair: &Pair<'_>, column: &Column, now: &Column) -> bool {
    let strict = |table: Option<&Table>| table.is_some_and(|table| table.strict);
    if strict(pair.after) && !strict(Some(pair.before)) && !now.type_name.eq_ignore_ascii_case("ANY") {
        // It takes them as they are, or not at all; but for numbers that look like text.
        return column.affinity() == now.affinity() && column.affinity() != Affinity::Numeric;
    }
    column.affinity() == now.affinity() || now.affinity() == Affinity::Blob
}

/// Columns an `UPDATE` assigns, where they are all that changes and can be put back one by one: not those that tell rows
/// apart, which might stand in each other's way.
fn assigned(input: &Input<'_>, pair: &Pair<'_>, does: &Does) -> Option<Vec<String>> {
    let names = does.assigned.as_ref().filter(|_| !does.inserts && !does.deletes)?;
    let mut found = Vec::new();
    for name in names {
        let column = pair.before.columns.iter().find(|column| {
            let now = column_now(input, pair, column);
            same_name(&column.name, name) || now.is_some_and(|now| same_name(&now.name, name))
        });
        let Some(column) = column else {
            // One the migration adds holds nothing there was before.
            pair.after?.column(name)?;
            continue;
        };
        let unique = [input.before, input.after].iter().any(|schema| {
            schema.indexes.values().any(|index| {
                // An expression may read any column.
                let reads = index.columns.iter().any(|(of, ..)| of.as_ref().is_none_or(|of| same_name(of, name)));
                index.unique && pair.is_called(&index.table) && reads
            })
        });
        if unique || column.key > 0 {
            return None;
        }
        found.push(column.name.clone());
    }
    Some(found)
}

/// What tells a row before and after: the rowid, as long as nothing gives new ones; else the primary key.
fn key(input: &Input<'_>, pair: &Pair<'_>) -> Vec<Part> {
    let Some(after) = pair.after else { return Vec::new() };
    if let Some(rowid) = hidden(pair.before) {
        let vacuumed = input.statements.iter().any(|sql| writes::begins(sql, "VACUUM"));
        let kept = hidden(after).filter(|_| !pair.rebuilt && !vacuumed);
        if let Some(now) = kept {
            return vec![Part { before: rowid.to_owned(), saved: ROWID.to_owned(), now: now.to_owned() }];
        }
    }
    let columns = pair.before.key();
    let sure = pair.before.without_rowid
        || pair.before.rowid_alias().is_some()
        || columns.iter().all(|column| column.not_null);
    let parts: Option<Vec<Part>> = columns
        .iter()
        .map(|column| {
            let now = column_now(input, pair, column).filter(|now| keeps(pair, column, now))?;
            Some(Part { before: quote(&column.name), saved: quote(&column.name), now: quote(&now.name) })
        })
        .collect();
    parts.filter(|_| sure).unwrap_or_default()
}

/// What happens to rows, by table in lower case: as statements say, as the copy showed, and what triggers and foreign keys
/// do in their wake.
fn doings(input: &Input<'_>, pairs: &[Pair<'_>]) -> BTreeMap<String, Does> {
    let mut found: BTreeMap<String, Does> = BTreeMap::new();
    let before = |name: &str| {
        let pair = pairs.iter().find(|pair| pair.is_called(name));
        pair.map_or_else(|| name.to_ascii_lowercase(), |pair| pair.before.name.to_ascii_lowercase())
    };
    let mut note = |name: &str, does: &Does| found.entry(before(name)).or_insert_with(Does::nothing).add(does);
    let mut open: Vec<(String, Does, bool)> = Vec::new();
    for write in input.statements.iter().filter_map(|sql| writes::written(sql)) {
        open.push((write.target.clone(), write.into(), true));
    }
    for changed in input.changed {
        let Some(pair) = pairs.iter().find(|pair| qualify(MAIN, &pair.before.name) == changed.name) else { continue };
        let told = open.iter().filter(|(name, ..)| pair.is_called(name)).map(|(_, does, _)| does);
        let mut all = Does::nothing();
        told.for_each(|does| {
            all.add(does);
        });
        let seen = Does {
            inserts: changed.inserted > 0 && !all.inserts,
            updates: changed.updated > 0 && !all.updates,
            deletes: changed.deleted > 0 && !all.deletes,
            assigned: None,
        };
        // A rebuild shows as rows that go and come; what it is, its text tells.
        if (seen.inserts || seen.updates || seen.deletes) && !pair.rebuilt {
            open.push((pair.before.name.clone(), seen, true));
        }
    }
    if input.foreign_keys {
        // DROP TABLE deletes every row first, without its triggers.
        let dropped = pairs.iter().filter(|pair| pair.after.is_none() || pair.rebuilt);
        open.extend(dropped.map(|pair| (pair.before.name.clone(), Does { deletes: true, ..Does::nothing() }, false)));
    }
    while let Some((name, does, fires)) = open.pop() {
        if !note(&name, &does) {
            continue;
        }
        let is = |table: &str| same_name(table, &name) || before(table) == before(&name);
        let on = |trigger: &&Trigger| fires && is(&trigger.table);
        for trigger in input.before.triggers.values().chain(input.after.triggers.values()).filter(on) {
            open.extend(writes::targets(&trigger.sql).into_iter().map(|target| (target, Does::anything(), true)));
        }
        if !input.foreign_keys {
            continue;
        }
        for table in input.before.tables.values().chain(input.after.tables.values()) {
            for key in table.foreign_keys.iter().filter(|key| is(&key.table)) {
                let acts = |action: &str| !matches!(action, "NO ACTION" | "RESTRICT");
                let removes = does.deletes && key.on_delete == "CASCADE";
                let assigns = (does.deletes && acts(&key.on_delete)) || (does.updates && acts(&key.on_update));
                if removes || assigns {
                    let assigned = Some(key.columns.clone());
                    let does = Does { inserts: false, updates: assigns, deletes: removes, assigned };
                    open.push((table.name.clone(), does, true));
                }
            }
        }
    }
    found
}

/// Whether the old number of the last `AUTOINCREMENT` key has to be saved.
pub(super) fn loses_sequence(pair: &Pair<'_>, saves: &[Save<'_>]) -> bool {
    let saved =
        || saves.iter().any(|save| save.pair.before.name == pair.before.name && !matches!(save.kind, Kind::Columns(_)));
    let counts = pair.after.is_some_and(|after| after.autoincrement);
    pair.before.autoincrement && (!counts || pair.rebuilt || saved())
}

/// Whether the planner's statistics are not what they were, or may not be.
pub(super) fn loses_statistics(input: &Input<'_>, pairs: &[Pair<'_>]) -> bool {
    let analyzed = input.statements.iter().any(|sql| {
        writes::begins(sql, "ANALYZE")
            || sql.to_ascii_lowercase().contains("sqlite_stat")
            || (writes::begins(sql, "PRAGMA") && sql.to_ascii_lowercase().contains("optimize"))
    });
    let dropped = |pair: &Pair<'_>| pair.after.is_none() || pair.rebuilt;
    let indexes = input.before.indexes.values().filter(|index| index.origin == IndexOrigin::Created).any(|index| {
        let now = input.after.indexes.values().find(|now| same_name(&now.name, &index.name));
        now.is_none_or(|now| now.root_page != index.root_page || now.sql != index.sql)
    });
    analyzed || indexes || pairs.iter().any(dropped)
}
