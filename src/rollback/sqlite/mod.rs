//! The way back on SQLite: scripts that undo the migration, and what running them showed.
//!
//! SQLite keeps its schema as text, and little of it can be altered. What it can undo by itself (a rename, an added
//! column) it does, which is tried on a sketch of the schema first; every other table is made again from its old text and
//! filled with what stays and what `prepare.sql` saved. Triggers and views that hang on it go first and come back last.

mod compare;
mod pairs;
mod plan;
pub mod prove;
mod restore;
mod save;
mod script;
mod tokens;
mod writes;

pub use script::{BACKUP, is_own};

use super::conditions::Condition;
use super::generate::{ChangedTable, Scripts};
use super::origin::Origin;
use crate::snapshot::catalog::qualify;
use crate::snapshot::sqlite::catalog::MAIN;
use crate::snapshot::sqlite::identity::Identities;
use crate::snapshot::sqlite::{Schema, TableKind, same_name};
use save::{Kind, Save};
use std::collections::BTreeSet;

/// What the scripts are made from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The schema before the migration.
    pub before: &'a Schema,
    /// The committed schema after it.
    pub after: &'a Schema,
    /// Numbers of the objects before.
    pub before_ids: &'a Identities,
    /// Numbers of the objects after, [`rebuilt`](Identities::rebuilt) ones with the number they had.
    pub after_ids: &'a Identities,
    /// SQLite's tables of statistics there were before, see
    /// [`digest::statistics`](crate::engine::sqlite::digest::statistics); and those after.
    pub statistics: (&'a [String], &'a [String]),
    /// Tables whose rows the migration changed on the copy.
    pub changed: &'a [ChangedTable],
    /// Complete statements that take the runner's own rows out again.
    pub history: &'a [String],
    /// Every statement that was committed, in order.
    pub statements: &'a [String],
    /// What is undone, for the headers: versions and names.
    pub title: &'a str,
    /// What names of the backup begin with: [`BACKUP`], with more behind it where backups of several migrations stand
    /// side by side.
    pub backup_schema: &'a str,
    /// The statements that are undone, for the comments.
    pub origins: &'a [Origin],
    /// The migration ran with `PRAGMA foreign_keys` on: rows that go take others along.
    pub foreign_keys: bool,
    /// Qualified names, before the migration, of tables of which nothing is told from the statements: all their rows are
    /// saved.
    pub doubted: &'a BTreeSet<String>,
}

/// Writes the scripts.
pub fn generate(input: &Input<'_>) -> Scripts {
    // A file may have neither version nor name.
    let input = &Input { title: if input.title.is_empty() { "the migration" } else { input.title }, ..*input };
    let (pairs, new) = pairs::pairs(input);
    let mut unmodelled = Vec::new();
    let saves = save::saves(input, &pairs, &mut unmodelled);
    let written: Vec<&str> = saves.iter().map(|save| save.pair.before.name.as_str()).collect();
    let plan = plan::plan(input, &pairs, &new, &written);
    if input.before.header.encoding != input.after.header.encoding {
        unmodelled.push("the file's encoding is another one".to_owned());
    }
    let whole = script::Whole {
        sequences: pairs
            .iter()
            .filter(|pair| save::loses_sequence(pair, &saves))
            .map(|pair| pair.before.name.as_str())
            .collect(),
        statistics: save::loses_statistics(input, &pairs),
        input,
        pairs: &pairs,
        saves: &saves,
        plan: &plan,
        unmodelled: &unmodelled,
    };
    Scripts {
        prepare: whole.prepare(),
        rollback: whole.rollback(),
        cleanup: whole.cleanup(),
        saved: Vec::new(),
        backup_schema: input.backup_schema.to_owned(),
        conditions: conditions(input, &whole, &new),
        unmodelled,
    }
}

/// What must hold for the rollback to go through, or to lose nothing that was written since.
fn conditions(
    input: &Input<'_>,
    whole: &script::Whole<'_, '_>,
    new: &[&crate::snapshot::sqlite::Table],
) -> Vec<Condition> {
    let mut found = Vec::new();
    let qualified = |name: &str| qualify(MAIN, name);
    if whole.saves_anything() {
        found.push(Condition::said(
            "prepare.sql ran right before the migration: rollback.sql refuses without it".to_owned(),
        ));
    }
    for save in whole.saves {
        let name = qualified(&save.pair.before.name);
        if save.pair.after.is_some() {
            found.extend(about_rows(save, &name).map(Condition::said));
        }
    }
    for table in new.iter().filter(|table| table.kind != TableKind::Shadow) {
        found.push(Condition::said(format!(
            "rows of the new table {} are not needed: they go with it",
            qualified(&table.name)
        )));
    }
    for pair in whole.pairs {
        let Some(after) = pair.after else { continue };
        let name = qualified(&pair.before.name);
        let known: Vec<&str> = pair
            .before
            .columns
            .iter()
            .filter_map(|column| pairs::column_now(input, pair, column))
            .map(|now| now.name.as_str())
            .collect();
        for column in save::own(after).filter(|column| !known.iter().any(|name| same_name(name, &column.name))) {
            found.push(Condition::said(format!(
                "values of the new column {name}.{} are not needed: they go with it",
                column.name
            )));
        }
        if whole.plan.rebuilt.contains(pair.before.name.as_str()) {
            found.push(Condition::said(format!(
                "rows written to {name} since fit its old definition: rollback.sql stops at the first that does not, and nothing is changed"
            )));
        }
    }
    found
}

/// What becomes of rows written after `prepare.sql`.
fn about_rows(save: &Save<'_>, name: &str) -> Option<String> {
    let kept = format!("; they stay in {} until cleanup.sql", qualify(MAIN, &save.taken_out));
    Some(match &save.kind {
        _ if save.pair.before.kind == TableKind::Virtual => return None,
        Kind::Remade => return None,
        Kind::Keys => {
            format!("rows added to {name} after prepare.sql ran are the migration's: all of them are taken out{kept}")
        }
        Kind::Columns(columns) => format!(
            "nobody changes {} of {name} after prepare.sql ran: {} as saved",
            columns.join(", "),
            if columns.len() == 1 { "it comes back" } else { "they come back" }
        ),
        Kind::Rows if save.does.inserts => format!(
            "nobody writes to {name} after prepare.sql ran: its rows come back as saved, and those added since are taken out{kept}"
        ),
        Kind::Rows if save.key.is_empty() => format!(
            "nobody writes to {name} after prepare.sql ran: its rows come back as saved, and where more are there than were saved rollback.sql refuses"
        ),
        Kind::Rows => format!(
            "nobody changes rows of {name} that were there when prepare.sql ran: they come back as saved; rows added since stay"
        ),
    })
}
