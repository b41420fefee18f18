//! Everything that is compared, at one moment.

use super::compare;
use super::fingerprint::{Fingerprints, RowDifferences, TableFingerprint};
use super::{RollbackProof, is_own};
use crate::engine::ServerError;
use crate::engine::sqlite::{digest, schema};
use crate::snapshot::catalog::qualify;
use crate::snapshot::sqlite::Schema;
use crate::snapshot::sqlite::catalog::MAIN;
use rusqlite::Connection;
use std::collections::BTreeMap;

/// Schema, rows, and what SQLite's own checks say.
pub(super) struct State {
    pub schema: Schema,
    rows: Fingerprints,
    /// Rows that refer to nothing, by table and the table they should refer to.
    orphans: BTreeMap<String, u64>,
    /// What `quick_check` complains of.
    integrity: Vec<String>,
}

impl State {
    /// Reads it; a backup of ours is no part of it.
    pub fn read(connection: &Connection) -> Result<Self, ServerError> {
        let schema = compare::without_own(schema::read(connection)?);
        let mut rows = Fingerprints::default();
        for (name, digest) in digest::of_all(connection, &schema)? {
            if !is_own(&name) {
                let told = TableFingerprint { rows: digest.rows, hash: Some(format!("{:032x}", digest.sum)) };
                rows.tables.insert(qualify(MAIN, &name), told);
            }
        }
        let sequences = schema
            .sequence
            .iter()
            .map(|(table, last)| (format!("the last number of {}", qualify(MAIN, table)), (*last, false)));
        rows.sequences = sequences.collect();
        Ok(Self { rows, orphans: orphans(connection)?, integrity: integrity(connection)?, schema })
    }

    /// Compares with what is there after rolling back, and notes it.
    pub fn compare(&self, back: &Self, proof: &mut RollbackProof) {
        proof.schema = Some(compare::texts(&self.schema, &back.schema));
        proof.catalog = Some(compare::catalogs(&self.schema, &back.schema));
        let mut rows = super::fingerprint::compare(&self.rows, &back.rows);
        rows.tables.extend(self.left(back));
        proof.rows = Some(rows);
        if self.orphans != back.orphans {
            let total = |state: &Self| state.orphans.values().sum::<u64>();
            let told = format!("foreign_key_check: {} rows refer to nothing instead of {}", total(back), total(self));
            proof.failures.push(told);
        }
        if self.integrity != back.integrity {
            proof.failures.push("quick_check says something else than before".to_owned());
        }
    }

    /// Statistics, and numbers of tables, that were not there.
    fn left(&self, back: &Self) -> BTreeMap<String, String> {
        let ours = |name: &&String| name.contains("sqlite_stat") && !self.rows.tables.contains_key(*name);
        let tables = back.rows.tables.keys().filter(ours).map(|name| (name.clone(), format!("{name}: was not there")));
        tables.collect()
    }

    /// What is not as the first time. Random and clock values differ: rows are compared by their number alone.
    pub fn reapplied(&self, again: &Self) -> Vec<String> {
        let mut found = compare::texts(&self.schema, &again.schema).others;
        found.extend(compare::catalogs(&self.schema, &again.schema).others);
        let counts = |state: &Self| {
            let counted = |(name, told): (&String, &TableFingerprint)| {
                (name.clone(), TableFingerprint { rows: told.rows, hash: None })
            };
            let tables = state.rows.tables.iter().map(counted).collect();
            Fingerprints { tables, sequences: BTreeMap::new() }
        };
        let rows: RowDifferences = super::fingerprint::compare(&counts(self), &counts(again));
        found.extend(rows.tables.into_values());
        found.sort();
        found.dedup();
        found
    }
}

fn orphans(connection: &Connection) -> Result<BTreeMap<String, u64>, ServerError> {
    let mut found = BTreeMap::new();
    // Where a key refers to what cannot be referred to, SQLite has no answer: before and after alike.
    let Ok(mut statement) = connection.prepare("PRAGMA main.foreign_key_check") else { return Ok(found) };
    let mut rows = statement.query([])?;
    while let Ok(Some(row)) = rows.next() {
        let (table, parent): (String, Option<String>) = (row.get(0)?, row.get(2)?);
        *found
            .entry(format!("{} {}", table.to_ascii_lowercase(), parent.unwrap_or_default().to_ascii_lowercase()))
            .or_default() += 1;
    }
    Ok(found)
}

/// Indexes are SQLite's own to fill, and looking into each of them again at every step would take most of the proof's time:
/// the measured run has the whole `integrity_check`.
fn integrity(connection: &Connection) -> Result<Vec<String>, ServerError> {
    let mut statement = connection.prepare("PRAGMA main.quick_check")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
}
