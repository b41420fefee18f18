//! SQLite's own checks of a database.

use super::schema::all;
use crate::engine::ServerError;
use crate::observation::embedded::{Checks, Orphans};
use crate::snapshot::catalog::qualify;
use crate::snapshot::sqlite::catalog::MAIN;
use rusqlite::Connection;
use std::collections::BTreeMap;

/// Messages of `integrity_check` that are kept: the first tell what there is to tell.
const KEPT: usize = 20;

/// Runs `integrity_check` and `foreign_key_check`.
///
/// # Errors
/// What SQLite says; foreign keys that cannot be checked (`foreign key mismatch`) are told as what is wrong.
pub fn run(connection: &Connection) -> Result<Checks, ServerError> {
    let integrity = all(connection, &format!("PRAGMA main.integrity_check({KEPT})"), |row| row.get::<_, String>(0))?;
    let integrity = integrity.into_iter().filter(|line| line != "ok").collect();
    let mut checks = Checks { integrity, foreign_keys: Vec::new() };
    match all(connection, "PRAGMA main.foreign_key_check", |row| Ok((row.get(0)?, row.get(2)?))) {
        Ok(rows) => {
            let mut counted: BTreeMap<(String, String), u64> = BTreeMap::new();
            for pair in rows {
                *counted.entry(pair).or_default() += 1;
            }
            checks.foreign_keys = counted
                .into_iter()
                .map(|((table, references), rows)| Orphans {
                    table: qualify(MAIN, &table),
                    references: qualify(MAIN, &references),
                    rows,
                })
                .collect();
        }
        Err(error) if error.is_outage() || error.result_code == Some("SQLITE_INTERRUPT") => return Err(error),
        Err(error) => checks.integrity.push(error.message),
    }
    Ok(checks)
}
