//! Runs scripts as the `sqlite3` shell does with `-bail`: statement by statement, up to the first that is refused.

use crate::engine::ServerError;
use crate::report::redact::Redactor;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Connection, Statement};

/// Runs a script. A transaction it leaves open is taken back.
///
/// # Errors
/// The first statement that is refused, with its line and what SQLite said, without values of rows.
pub fn run(connection: &Connection, script: &str) -> Result<(), String> {
    let (mut statements, mut at) = (Batch::new(connection, script), 0);
    let outcome = loop {
        match statements.next() {
            Ok(Some(mut statement)) => {
                // Its text begins where the one before it ended, comments included.
                let length = statement.expanded_sql().map_or(0, |sql| sql.len());
                let sql = script.get(at..at + length).unwrap_or_default();
                if let Err(error) = exhaust(&mut statement) {
                    break Err(told(script, at, sql, &error.into()));
                }
                at += length;
            }
            Ok(None) => break Ok(()),
            Err(error) => {
                let rest = script.get(at..).unwrap_or_default();
                break Err(told(script, at, rest, &error.into()));
            }
        }
    };
    if !connection.is_autocommit() {
        // Of a refusal here nothing is lost: the transaction goes with the connection.
        let _ = connection.execute_batch("ROLLBACK");
    }
    outcome
}

/// Steps through whatever rows it gives.
fn exhaust(statement: &mut Statement<'_>) -> rusqlite::Result<()> {
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

fn told(script: &str, at: usize, sql: &str, error: &ServerError) -> String {
    let blank = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with("--");
    let before = script.get(..at).unwrap_or_default().matches('\n').count();
    let skipped = sql.lines().take_while(blank).count();
    let first = sql.lines().find(|line| !blank(line)).unwrap_or_default();
    // A check of ours is called what it says; anything else may quote what stands in a row.
    let own = error.result_code == Some("SQLITE_CONSTRAINT_CHECK") && error.message.ends_with("nothing was changed");
    let message = if own { error.message.clone() } else { Redactor::default().error_message(error, sql) };
    format!("line {}, `{}`: {message} ({})", before + skipped + 1, first.trim(), error.code())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_script_stops_at_the_first_refusal_and_leaves_no_transaction_open() {
        let connection = crate::engine::sqlite::connection::in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (a UNIQUE)").unwrap();
        run(&connection, "BEGIN;\nINSERT INTO t VALUES (1);\nSELECT a FROM t;\nCOMMIT;\n-- the end\n").unwrap();
        let script = "BEGIN;\n-- why\nINSERT INTO t VALUES (2);\n\n-- twice\nINSERT INTO t VALUES ('ann@example.test'), ('ann@example.test');\nCOMMIT;";
        let refused = run(&connection, script).unwrap_err();
        assert!(
            refused.starts_with("line 6, `INSERT INTO t VALUES") && refused.contains("SQLITE_CONSTRAINT_UNIQUE"),
            "{refused}"
        );
        let rows: i64 = connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert!(rows == 1 && connection.is_autocommit());
        assert!(run(&connection, "SELECT 1;\nSELEC 2;").unwrap_err().starts_with("line 2, `SELEC 2;`"));
    }
}
