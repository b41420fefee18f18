//! Counts what keeps the failing statement from running: on another copy, just before that statement.

use super::Begun;
use crate::engine::ServerError;
use crate::engine::postgres::violators::Violators;
use crate::engine::sqlite::apply::{Watch, apply};
use crate::engine::sqlite::worker;
use crate::migration::Statement;
use crate::migration::script::sqlite::{SqliteStatement, kind};
use crate::rehearsal::{Rehearsal, RehearsalError};
use crate::snapshot::catalog::qualify;
use crate::snapshot::sqlite::catalog::{MAIN, written_keys, written_predicate};
use crate::snapshot::sqlite::quote;
use rusqlite::Connection;

pub(super) async fn count(begun: &Begun<'_>, rehearsal: &mut Rehearsal) -> Result<(), RehearsalError> {
    let Some(failure) = rehearsal.failure.clone().filter(|failure| failure.error.sqlstate == "23505") else {
        return Ok(());
    };
    begun.plan.progress.say("counting the rows in its way …");
    let copy = begun.fresh().await?;
    let (target, migrations) = (begun.target(&copy), rehearsal.migrations.clone());
    let counted = worker::run(move |stop| {
        let mut counter = Counter { statement: failure.statement, found: None };
        apply(&target, &migrations, Some(failure.statement), stop, &mut counter)?;
        Ok::<_, RehearsalError>(counter.found)
    });
    rehearsal.violators = counted.await?;
    Ok(())
}

struct Counter {
    statement: usize,
    found: Option<Violators>,
}

impl Watch for Counter {
    fn before(&mut self, connection: &Connection, statement: &Statement) -> Result<(), ServerError> {
        if statement.index != self.statement {
            return Ok(());
        }
        let SqliteStatement::CreateIndex { table, .. } = kind(statement.sql()) else { return Ok(()) };
        let keys = written_keys(statement.sql());
        let only = written_predicate(statement.sql()).map_or_else(String::new, |only| format!(" AND ({only})"));
        // Nulls are never equal to each other.
        let known: Vec<String> = keys.iter().map(|key| format!("({}) IS NOT NULL", bare(key))).collect();
        let keys: Vec<&str> = keys.iter().map(|key| bare(key)).collect();
        let query = format!(
            "SELECT count(*) FROM (SELECT 1 FROM main.{} WHERE {}{only} GROUP BY {} HAVING count(*) > 1)",
            quote(&table),
            known.join(" AND "),
            keys.join(", ")
        );
        // What cannot be asked is not counted.
        if let Ok(groups) = connection.query_row(&query, [], |row| row.get::<_, i64>(0))
            && groups > 0
        {
            self.found = Some(Violators {
                relation: qualify(MAIN, &table),
                rows: groups.unsigned_abs(),
                what: "groups of duplicates",
                query,
            });
        }
        Ok(())
    }
}

/// A key without its direction.
fn bare(key: &str) -> &str {
    let without = |key: &'_ str, word: &str| {
        let cut = key.len().checked_sub(word.len()).filter(|cut| key.is_char_boundary(*cut))?;
        key[cut..].eq_ignore_ascii_case(word).then(|| key[..cut].trim_end().len())
    };
    [" ASC", " DESC"].iter().find_map(|word| without(key, word)).map_or(key, |end| &key[..end])
}
