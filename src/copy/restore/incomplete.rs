//! What a dump lacks of its source, as far as it shows: foreign keys that do not hold, no rows, no statistics. From that
//! comes the grade.

use super::statistics::{Imported, Statistics};
use super::{RestoreError, RestoreOutcome, Restoring, WARNINGS_KEPT, group};
use crate::copy::fidelity::Grade;
use crate::copy::settle;
use crate::copy::words::Words;
use crate::engine::ServerError;
use crate::engine::postgres::session::Session;
use crate::report::human;

/// Names told in one line.
const NAMED: usize = 5;

/// What is done with a foreign key that was refused.
pub(super) enum ForeignKey {
    /// Sent again like this.
    Again(String),
    /// The copy does without it.
    LeftOut,
    /// It is none, or fails for another reason.
    AsItIs,
}

impl Restoring {
    /// Tools that take some of the rows, or other values, may leave rows that refer to none; and a dump of single tables
    /// lacks those that keys point to.
    pub(super) fn foreign_key(&mut self, sql: &str, error: &ServerError) -> ForeignKey {
        let words = Words::new(sql, usize::MAX);
        let constraint =
            words.find(2, "CONSTRAINT").filter(|at| words.is(at + 2, "FOREIGN") && words.is(at - 1, "ADD"));
        let (Some(at), Some(referenced)) = (constraint, group::referenced(sql)) else { return ForeignKey::AsItIs };
        if !words.start_with("ALTER TABLE") {
            return ForeignKey::AsItIs;
        }
        let table = if words.is(2, "ONLY") { 3 } else { 2 };
        let table: String = (table..at - 1).map(|index| words.text(index)).collect();
        let name = format!("foreign key {} of {table}", words.text(at + 1));
        let not_valid = words.is(words.len() - 2, "NOT") && words.is(words.len() - 1, "VALID");
        match error.sqlstate.as_str() {
            "23503" if !not_valid => {
                self.lacks(format!(
                    "{name} does not hold, so it is NOT VALID here: rows it needs in {referenced} are missing"
                ));
                ForeignKey::Again(format!("{sql} NOT VALID"))
            }
            // Of a partitioned table, which can have no such key before 18.
            "0A000" | "42809" if not_valid => {
                // Instead of what was said when it was refused.
                self.incomplete.retain(|told| !told.starts_with(&name));
                self.lacks(format!(
                    "{name} left out: it does not hold, and a partitioned table can have none that is NOT VALID"
                ));
                ForeignKey::LeftOut
            }
            "42P01" if error.message == format!("relation \"{referenced}\" does not exist") => {
                self.lacks(format!("{name} left out: {referenced} is not in the dump"));
                ForeignKey::LeftOut
            }
            "3F000"
                if referenced
                    .split_once('.')
                    .is_some_and(|(schema, _)| error.message == format!("schema \"{schema}\" does not exist")) =>
            {
                self.lacks(format!("{name} left out: {referenced} is not in the dump"));
                ForeignKey::LeftOut
            }
            _ => ForeignKey::AsItIs,
        }
    }

    fn lacks(&mut self, what: String) {
        if self.incomplete.len() < WARNINGS_KEPT {
            self.incomplete.push(what);
        }
    }
}

/// Settles visibility and statistics; true if the latter are the source's own.
pub(super) async fn settle(
    statistics: &Statistics,
    outcome: &mut RestoreOutcome,
    session: &mut Session,
) -> Result<bool, RestoreError> {
    if !statistics.is_some() {
        outcome.warnings.extend(settle::settle_statistics(session).await?);
        if statistics.seen > 0 && !statistics.supported {
            let version = session.query("SHOW server_version").await?;
            let version = version.scalar().and_then(|version| version.split(' ').next()).unwrap_or_default();
            outcome.notes.push(format!(
                "the dump's statistics were left out: PostgreSQL {version} cannot take them over, 18 and newer can"
            ));
        }
        return Ok(false);
    }
    let around = settle::settle_around_statistics(session).await?;
    outcome.warnings.extend(around.warnings);
    let imported = statistics.put_in_place(session, &around.sampled).await?;
    let Imported { relations, refused } = imported;
    if refused > 0 {
        outcome.warnings.push(format!("{refused} statistics of the dump were not taken over by this server"));
    }
    let tables = settle::tables_with_rows(session).await?;
    let without: Vec<String> = tables
        .iter()
        .filter(|table| !relations.contains(table))
        .map(|(schema, name)| format!("{schema}.{name}"))
        .collect();
    if !without.is_empty() {
        outcome.notes.push(format!("the dump has no statistics of {}: gathered here", some(&without)));
    }
    let sampled: Vec<String> = around
        .sampled
        .iter()
        .filter(|table| relations.contains(table))
        .map(|(schema, name)| format!("{schema}.{name}"))
        .collect();
    if !sampled.is_empty() {
        outcome.notes.push(format!("never analysed in the source, but here: {}", some(&sampled)));
    }
    if around.extended {
        outcome.notes.push("extended statistics were gathered here: the dump does not hold them".to_owned());
    }
    Ok(refused == 0 && without.is_empty())
}

/// What the base is worth, and what it lacks.
pub(super) async fn grade(
    outcome: &mut RestoreOutcome,
    lacking: Vec<String>,
    with_statistics: bool,
    session: &mut Session,
) -> Result<(), RestoreError> {
    let grade = match () {
        () if outcome.rows == 0 => Grade::SchemaOnly,
        () if !lacking.is_empty() => Grade::Subset,
        () if with_statistics => Grade::LogicalWithStatistics,
        () => Grade::Logical,
    };
    outcome.grade = grade;
    outcome.lost.extend(lacking);
    if grade != Grade::SchemaOnly && settle::has_no_index(session).await? {
        outcome.lost.push(
            "no table has an index or a key: a dump made with --section may lack them, and then plans and locks differ"
                .to_owned(),
        );
    }
    Ok(())
}

/// `a, b, c and 4 more`.
fn some(names: &[String]) -> String {
    let (told, rest) = names.split_at(names.len().min(NAMED));
    match rest.len() {
        0 => human::list(told),
        more => format!("{} and {more} more", told.join(", ")),
    }
}
