//! What only SQLite's migrations can do wrong: `sqlite/*`. Silent for every other engine.
//!
//! Most of it is about rebuilt tables: what SQLite cannot alter is made anew, filled, and put in the old one's place, as
//! SQLite's "Making Other Kinds Of Table Schema Changes" describes in twelve steps. Each step that is left out costs
//! something else.

pub(super) mod columns;
mod definition;
pub(super) mod foreign_keys;
pub(super) mod integrity;
pub(super) mod rebuild;
pub(super) mod refused;
pub(super) mod rename;
#[cfg(test)]
mod tests;
pub(super) mod version;

use super::{Answer, Check, Finding, Kind, Severity, count, examples};
use crate::config::Thresholds;
use crate::migration::script::lexer::TokenKind;
use crate::migration::script::words::{Word, words_in};
use crate::migration::script::{Dialect, sqlite};
use crate::observation::Observation;
use crate::observation::embedded::Embedded;
use crate::rehearsal::{EmbeddedFacts, Rehearsal};
use crate::snapshot::Oid;
use crate::snapshot::sqlite::identity::Kind as Object;
use crate::snapshot::sqlite::{Schema, Table, same_name};

/// Statements whose effect stayed, with what only SQLite tells of them.
fn committed(rehearsal: &Rehearsal) -> impl Iterator<Item = (&Observation, &Embedded)> {
    let stayed = |observation: &&Observation| rehearsal.committed.contains(&observation.statement);
    rehearsal
        .observations
        .iter()
        .filter(stayed)
        .filter_map(|observation| Some((observation, observation.embedded.as_ref()?)))
}

/// A table another one has taken the place of.
pub(super) struct Rebuild<'a> {
    /// Its number, before and after.
    pub(super) oid: Oid,
    /// It as it was.
    before: &'a Table,
    /// It as it is.
    after: &'a Table,
    /// The statement that made the new one, where it is known.
    created: Option<usize>,
    /// Statements that wrote rows into the new one while it was not in place yet, with how many.
    pub(super) filled: Vec<(usize, u64)>,
    /// The statement with which the old one went.
    dropped: usize,
}

impl Rebuild<'_> {
    /// Its name before.
    pub(super) fn name(&self) -> &str {
        &self.before.name
    }

    /// Where to point for what the new table lacks.
    fn statement(&self) -> usize {
        self.created.unwrap_or(self.dropped)
    }

    /// Names of columns that did not come along.
    fn lost_columns<'a>(&'a self, facts: &'a EmbeddedFacts) -> impl Iterator<Item = &'a str> {
        let gone = |name: &&str| kept_column(facts, self.oid, self.after, name).is_none();
        self.before.columns.iter().map(|column| column.name.as_str()).filter(gone)
    }
}

/// Every table that was rebuilt.
pub(super) fn rebuilds(rehearsal: &Rehearsal) -> Vec<Rebuild<'_>> {
    let Some(facts) = &rehearsal.embedded else { return Vec::new() };
    facts.before.tables.values().filter_map(|before| rebuild_of(rehearsal, facts, before)).collect()
}

fn rebuild_of<'a>(rehearsal: &'a Rehearsal, facts: &'a EmbeddedFacts, before: &'a Table) -> Option<Rebuild<'a>> {
    let oid = facts.numbers_before.relation(&before.name)?;
    let new = facts.numbers_after.in_place_of(oid)?;
    let after = facts.after.tables.values().find(|table| facts.numbers_after.relation(&table.name) == Some(oid))?;
    let seen: Vec<_> = committed(rehearsal).collect();
    let dropped = seen.iter().find(|(_, embedded)| embedded.gone.contains(&oid))?.0.statement;
    let created = seen.iter().find(|(_, embedded)| embedded.made.contains(&new));
    let filled = seen.iter().filter_map(|(observation, _)| {
        let rows: u64 = observation.inserted.iter().filter(|work| work.relation == new).map(|work| work.rows).sum();
        (rows > 0 && observation.statement <= dropped).then_some((observation.statement, rows))
    });
    Some(Rebuild {
        oid,
        before,
        after,
        created: created.map(|(observation, _)| observation.statement),
        filled: filled.collect(),
        dropped,
    })
}

/// A column as it is now, by its name before.
fn kept_column<'a>(
    facts: &EmbeddedFacts,
    table: Oid,
    after: &'a Table,
    name: &str,
) -> Option<&'a crate::snapshot::sqlite::Column> {
    let number = facts.numbers_before.column(table, name)?;
    after.columns.iter().find(|column| facts.numbers_after.column(table, &column.name) == Some(number))
}

/// The tokens of a statement.
fn words(sql: &str) -> Vec<Word<'_>> {
    words_in(sql, Dialect::Sqlite)
}

/// Whether a token is this name.
fn spells(word: &Word<'_>, name: &str) -> bool {
    let is_name = matches!(word.kind, TokenKind::Word | TokenKind::QuotedIdentifier);
    is_name && same_name(&sqlite::unquoted(word.text), name)
}

/// Whether a statement names an identifier, however it is quoted.
fn mentions(sql: &str, name: &str) -> bool {
    words(sql).iter().any(|word| spells(word, name))
}

/// What a number stands for: what it is, its name, and the table it belongs to.
fn object<'a>(facts: &'a EmbeddedFacts, oid: Oid) -> Option<(&'static str, &'a str, &'a str)> {
    let known = |schema: &'a Schema, numbers: &crate::snapshot::sqlite::identity::Identities| {
        let is = |kind, name: &str| numbers.get(kind, name) == Some(oid);
        let tables = schema.tables.keys().map(|name| (Object::Relation, "table", name, name));
        let views = schema.views.keys().map(|name| (Object::Relation, "view", name, name));
        let indexes = schema.indexes.values().map(|each| (Object::Index, "index", &each.name, &each.table));
        let triggers = schema.triggers.values().map(|each| (Object::Trigger, "trigger", &each.name, &each.table));
        let mut all = tables.chain(views).chain(indexes).chain(triggers);
        let found = all.find(|(kind, _, name, _)| is(*kind, name))?;
        Some((found.1, found.2.as_str(), found.3.as_str()))
    };
    known(&facts.after, &facts.numbers_after).or_else(|| known(&facts.before, &facts.numbers_before))
}
