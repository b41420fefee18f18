//! One statement with everything a form may ask about it.

use super::names::kept;
use crate::check::Finding;
use crate::migration::script::words::{Word, words};
use crate::migration::script::{self, StatementKind};
use crate::migration::{Migration, Statement, TransactionMode};
use crate::observation::{Observation, Outcome};
use crate::rehearsal::Rehearsal;
use crate::snapshot::Oid;
use crate::snapshot::catalog::{Catalog, Column, Constraint, Relation, RelationKind};
use std::collections::BTreeSet;
use std::ops::Range;

/// A statement that ran, and what was found about it.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub rehearsal: &'a Rehearsal,
    pub migration: &'a Migration,
    pub statement: &'a Statement,
    pub sql: &'a str,
    pub words: Vec<Word<'a>>,
    pub kind: StatementKind,
    pub observation: &'a Observation,
    pub before: &'a Catalog,
    pub after: &'a Catalog,
    /// Ids of what keeps others waiting there, those that are allowed left out.
    pub found: BTreeSet<&'static str>,
    /// Somewhere in its migration a lock is waited for without a limit.
    pub unlimited: bool,
}

/// A name as a statement spells it, up to two parts, unquoted and cut to what the server keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub schema: Option<String>,
    pub name: String,
}

impl<'a> Context<'a> {
    /// None where nothing was found about it, or it did not run to its end and stay.
    pub fn of(rehearsal: &'a Rehearsal, statement: &'a Statement, findings: &[Finding]) -> Option<Self> {
        let (before, after) = (&rehearsal.before.as_ref()?.catalog, &rehearsal.right_after.as_ref()?.catalog);
        let migration =
            rehearsal.migrations.iter().find(|each| each.statements.iter().any(|own| own.index == statement.index))?;
        let standing = || findings.iter().filter(|finding| finding.suppressed_by.is_none());
        let of_statement = standing().filter(|finding| finding.statement == Some(statement.index));
        let found: BTreeSet<&'static str> =
            of_statement.map(|finding| finding.kind.id).filter(|id| id.starts_with("lock/")).collect();
        let observation = rehearsal.observation(statement.index)?;
        let stayed = observation.outcome == Outcome::Ok && rehearsal.committed.contains(&statement.index);
        // With its placeholders filled in, a text is no longer what belongs into a file.
        if found.is_empty() || !stayed || statement.rendered.is_some() {
            return None;
        }
        let unlimited = standing()
            .filter(|finding| finding.kind.id == super::timeout::NO_TIMEOUT)
            .filter_map(|finding| finding.statement)
            .any(|index| migration.statements.iter().any(|own| own.index == index));
        let sql = statement.sql();
        let mut words = words(sql);
        while words.last().is_some_and(|last| last.text == ";") {
            words.pop();
        }
        let kind = script::kind(sql);
        Some(Self { rehearsal, migration, statement, sql, words, kind, observation, before, after, found, unlimited })
    }

    /// Whether these keywords stand at a place.
    pub fn has(&self, at: usize, keywords: &[&str]) -> bool {
        keywords
            .iter()
            .enumerate()
            .all(|(step, keyword)| self.words.get(at + step).is_some_and(|word| word.is(keyword)))
    }

    /// Where these keywords end if they stand at a place; else the place itself.
    pub fn skip(&self, at: usize, keywords: &[&str]) -> usize {
        if self.has(at, keywords) { at + keywords.len() } else { at }
    }

    /// Whether a word is this sign.
    pub fn sign(&self, at: usize, sign: &str) -> bool {
        self.words.get(at).is_some_and(|word| word.text == sign)
    }

    /// The statement's own text of some of its words, comments between them included.
    pub fn text(&self, range: Range<usize>) -> Option<&'a str> {
        let first = self.words.get(range.start)?;
        let last = self.words.get(range.end.checked_sub(1)?)?;
        self.sql.get(first.start..last.start + last.text.len())
    }

    /// A name of one part at a place.
    pub fn identifier(&self, at: usize) -> Option<String> {
        self.words.get(at)?.name().map(|name| kept(&name).to_owned())
    }

    /// A name of one or two parts at a place, and where it ends.
    pub fn name(&self, at: usize) -> Option<(Name, usize)> {
        let first = self.identifier(at)?;
        if !self.sign(at + 1, ".") {
            return Some((Name { schema: None, name: first }, at + 1));
        }
        let second = self.identifier(at + 2)?;
        (!self.sign(at + 3, ".")).then_some((Name { schema: Some(first), name: second }, at + 3))
    }

    /// Names of one part in the parentheses that open at a place, and where these end.
    pub fn list(&self, open: usize) -> Option<(Vec<String>, usize)> {
        let end = self.closing(open)?;
        let mut names = Vec::new();
        for (step, word) in self.words[open + 1..end].iter().enumerate() {
            match step % 2 {
                0 => names.push(kept(&word.name()?).to_owned()),
                _ if word.text == "," => {}
                _ => return None,
            }
        }
        (!names.is_empty()).then_some((names, end + 1))
    }

    /// Where the parentheses that open at a place close.
    pub fn closing(&self, open: usize) -> Option<usize> {
        let depth = self.words.get(open).filter(|word| word.text == "(")?.depth;
        (open + 1..self.words.len()).find(|at| self.words[*at].depth == depth && self.words[*at].text == ")")
    }

    /// The relation a name means: there before and still there under the same name, and locked by the statement, which
    /// is what tells two of one name in different schemas apart.
    pub fn relation(&self, name: &Name) -> Option<&'a Relation> {
        let named = |relation: &&Relation| {
            relation.name == name.name && name.schema.as_ref().is_none_or(|schema| *schema == relation.schema)
        };
        let mut found = self.before.relations.values().filter(named).filter(|relation| self.is_locked(relation.oid));
        let (relation, None) = (found.next()?, found.next()) else { return None };
        let still = self.after.relations.get(&relation.oid)?;
        (still.qualified == relation.qualified && relation.persistence != 't' && relation.extension.is_none())
            .then_some(relation)
    }

    /// Locked by itself, or as a partition of what was.
    pub fn is_locked(&self, oid: Oid) -> bool {
        self.observation.locks.iter().any(|lock| self.before.is_within(oid, &[lock.relation].into()))
    }

    /// A table with rows of its own.
    pub fn plain_table(&self, name: &Name) -> Option<&'a Relation> {
        self.relation(name).filter(|relation| relation.kind == RelationKind::Table)
    }

    /// Whether other tables inherit from it, or are partitions of it.
    pub fn has_heirs(&self, table: Oid) -> bool {
        let heir = |catalog: &Catalog| catalog.relation_details.values().any(|detail| detail.parents.contains(&table));
        heir(self.before) || heir(self.after)
    }

    /// Whether something gets another name later on: names made by the server are then not what they were.
    pub fn renamed_later(&self) -> bool {
        let all = self.rehearsal.migrations.iter().flat_map(|migration| &migration.statements);
        let later = all.filter(|each| each.index > self.statement.index);
        later.into_iter().any(|each| {
            let sql = each.sql().to_ascii_lowercase();
            sql.contains("rename") || matches!(script::kind(each.sql()), StatementKind::Do | StatementKind::Call)
        })
    }

    /// The one constraint of a kind that the run has added to a table and `fits`, under the name the server gave it.
    pub fn added(&self, table: Oid, kind: char, fits: impl Fn(&Constraint) -> bool) -> Option<&'a Constraint> {
        if self.renamed_later() {
            return None;
        }
        let of_table = self.after.constraints.values().filter(|each| each.table == Some(table) && each.kind == kind);
        let mut new = of_table.filter(|each| !self.before.constraints.contains_key(&each.oid) && fits(each));
        let (constraint, None) = (new.next()?, new.next()) else { return None };
        Some(constraint)
    }

    /// A column by its name, as it is once everything has run.
    pub fn column(&self, table: Oid, name: &str) -> Option<&'a Column> {
        self.after.columns_of(table).find(|column| column.name == name)
    }

    /// The same before anything ran.
    pub fn column_before(&self, table: Oid, name: &str) -> Option<&'a Column> {
        self.before.columns_of(table).find(|column| column.name == name)
    }

    /// Whether the statement runs inside a transaction that others share.
    pub fn in_transaction(&self) -> bool {
        match self.migration.transaction {
            TransactionMode::PerMigration | TransactionMode::AllPending => true,
            TransactionMode::None => false,
            TransactionMode::Explicit => {
                let earlier = self.migration.statements.iter().filter(|each| each.index < self.statement.index);
                let mut control =
                    earlier.map(|each| script::kind(each.sql())).filter(StatementKind::is_transaction_control);
                control.next_back() == Some(StatementKind::Begin)
            }
        }
    }

    /// `CREATE INDEX CONCURRENTLY` and `REINDEX CONCURRENTLY` may leave rows out of the index in 14.0 to 14.3.
    pub fn builds_concurrently(&self) -> bool {
        !(140_000..140_004).contains(&self.before.version)
    }
}
