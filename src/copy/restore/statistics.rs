//! Statistics that came with a dump (`pg_dump --statistics`): those of columns are sent where they stand, those of tables
//! and indexes last of all, since index builds and VACUUM overwrite them.

use super::{BATCH_BYTES, RestoreError, Restoring, error};
use crate::copy::dump::{DumpReader, DumpStatement};
use crate::copy::policy;
use crate::copy::words::{WordKind, Words};
use crate::engine::postgres::session::Session;
use std::collections::BTreeSet;

/// What a statement about statistics is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Sizes and row counts of a table or index.
    Relation,
    /// Of a column, or of several together.
    Columns,
}

/// `SELECT * FROM pg_catalog.pg_restore_relation_stats(…)` and its kin.
pub(super) fn kind(words: &Words<'_>) -> Option<Kind> {
    if !words.is(0, "SELECT") {
        return None;
    }
    (1..7).find_map(|at| match words.text(at).to_ascii_lowercase().as_str() {
        "pg_restore_relation_stats" => Some(Kind::Relation),
        "pg_restore_attribute_stats" | "pg_restore_extended_stats" => Some(Kind::Columns),
        _ => None,
    })
}

/// Schema and name of the relation that a statement is about.
fn relation(sql: &str) -> Option<(String, String)> {
    let words = Words::new(sql, usize::MAX);
    let argument = |name: &str| {
        let is = |at: &usize| words.kind(*at) == Some(WordKind::Literal) && words.value(*at).as_deref() == Some(name);
        // Names and values come in turns, so what is named like an argument is none.
        let first = (0..words.len()).find(|at| words.text(*at) == "(")? + 1;
        let mut names = std::iter::successors(Some(first), |at| next_argument(&words, *at)).step_by(2);
        words.value(next_argument(&words, names.find(is)?)?)
    };
    Some((argument("schemaname")?, argument("relname")?))
}

/// Where the argument after the one at `at` begins.
fn next_argument(words: &Words<'_>, at: usize) -> Option<usize> {
    words.find(at, ",").map(|comma| comma + 1)
}

/// What a dump brought of statistics.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    /// The server can take them over.
    pub supported: bool,
    /// Statements seen.
    pub seen: usize,
    /// Statements about columns, to be sent.
    batch: Vec<DumpStatement>,
    batch_bytes: usize,
    /// Statements about relations, to be sent last.
    relations: Vec<String>,
    /// Something was not taken over.
    refused: usize,
}

/// What became of them.
#[derive(Debug, Default)]
pub(super) struct Imported {
    /// Relations whose sizes and row counts are the source's.
    pub relations: BTreeSet<(String, String)>,
    /// Statements that came to nothing.
    pub refused: usize,
}

impl Statistics {
    pub(super) fn new(supported: bool) -> Self {
        Self { supported, ..Default::default() }
    }

    /// Whether anything is there to be put in place at the end.
    pub(super) fn is_some(&self) -> bool {
        self.supported && !self.relations.is_empty()
    }

    /// Sends what is about relations, but for those that the source knew nothing of and that were sampled here.
    pub(super) async fn put_in_place(
        &self,
        session: &mut Session,
        sampled: &BTreeSet<(String, String)>,
    ) -> Result<Imported, RestoreError> {
        let mut imported = Imported { refused: self.refused, ..Default::default() };
        for sql in &self.relations {
            let Some(relation) = relation(sql) else {
                imported.refused += 1;
                continue;
            };
            // A table that was never analysed has no row count either.
            let taken =
                sampled.contains(&relation) || session.query(sql).await.is_ok_and(|said| said.scalar() == Some("t"));
            if taken {
                imported.relations.insert(relation);
            } else {
                imported.refused += 1;
            }
        }
        Ok(imported)
    }
}

impl Restoring {
    pub(super) async fn statistics(
        &mut self,
        reader: &DumpReader,
        statement: DumpStatement,
        kind: Kind,
    ) -> Result<(), RestoreError> {
        self.statistics.seen += 1;
        if !self.statistics.supported {
            return Ok(());
        }
        let sql = self.in_utf8(statement.sql.clone()).await?;
        if kind == Kind::Relation {
            self.statistics.relations.push(sql);
            return Ok(());
        }
        self.statistics.batch_bytes += sql.len();
        self.statistics.batch.push(DumpStatement { sql, ..statement });
        // Whatever is still to be built must be there first.
        let now = self.statistics.batch_bytes >= BATCH_BYTES && self.group.is_empty() && !self.in_transaction;
        if now { self.flush_statistics(reader).await } else { Ok(()) }
    }

    /// Sends what is about columns. Statistics that are refused leave a copy that is good for everything else.
    pub(super) async fn flush_statistics(&mut self, reader: &DumpReader) -> Result<(), RestoreError> {
        if self.in_transaction || self.statistics.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.statistics.batch);
        self.statistics.batch_bytes = 0;
        let joined = batch.iter().map(|statement| statement.sql.as_str()).collect::<Vec<_>>().join(";\n");
        // Each says by its one row whether all of it was taken over.
        let not_all =
            |rows: &[Vec<Option<String>>]| rows.iter().flatten().filter(|said| said.as_deref() != Some("t")).count();
        if let Ok(said) = self.session.query(&joined).await {
            self.statistics.refused += not_all(&said.rows);
            return Ok(());
        }
        for statement in batch {
            match self.session.query(&statement.sql).await {
                Ok(said) => self.statistics.refused += not_all(&said.rows),
                Err(error) if error.sqlstate.is_empty() || error.sqlstate.starts_with("53") => {
                    return Err(RestoreError::statement(
                        reader.name(),
                        &statement,
                        statement.line,
                        "statistics of a column",
                        error,
                    ));
                }
                Err(error) => {
                    self.statistics.refused += 1;
                    self.warn(Some(format!(
                        "line {}: {}: {}",
                        statement.line,
                        policy::headline(&statement.sql),
                        error::shown(&error)
                    )));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_about_statistics_are_told_from_others_and_their_relation_is_found() {
        let sql = "SELECT * FROM pg_catalog.pg_restore_relation_stats(\n\t'version', '180004'::integer,\n\
                   \t'schemaname', 'relname',\n\t'relname', 'o''dd, (\\',\n\t'relpages', '18'::integer\n)";
        assert_eq!(kind(&Words::new(sql, 16)), Some(Kind::Relation));
        assert_eq!(relation(sql), Some(("relname".into(), "o'dd, (\\".into())));
        let columns = "SELECT * FROM pg_catalog.pg_restore_attribute_stats('schemaname', 'a', 'relname', 'b')";
        assert_eq!(kind(&Words::new(columns, 16)), Some(Kind::Columns));
        for other in ["SELECT pg_catalog.setval('a', 1)", "INSERT INTO pg_restore_relation_stats VALUES (1)"] {
            assert_eq!(kind(&Words::new(other, 16)), None, "{other}");
        }
    }
}
