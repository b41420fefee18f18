//! What SQLite says when it refuses something, in the words the rest of the program understands.

use crate::engine::ServerError;
use crate::snapshot::sqlite::catalog::MAIN;
use rusqlite::Error;
use rusqlite::ffi;

/// Extended result codes with a name of their own, and the SQLSTATE of the same trouble: what is counted, retried or
/// told apart by SQLSTATE is so for SQLite as well. Source: SQLite's "Result and Error Codes".
const EXTENDED: [(i32, &str, &str); 17] = [
    (ffi::SQLITE_CONSTRAINT_CHECK, "SQLITE_CONSTRAINT_CHECK", "23514"),
    (ffi::SQLITE_CONSTRAINT_FOREIGNKEY, "SQLITE_CONSTRAINT_FOREIGNKEY", "23503"),
    (ffi::SQLITE_CONSTRAINT_NOTNULL, "SQLITE_CONSTRAINT_NOTNULL", "23502"),
    (ffi::SQLITE_CONSTRAINT_PRIMARYKEY, "SQLITE_CONSTRAINT_PRIMARYKEY", "23505"),
    (ffi::SQLITE_CONSTRAINT_UNIQUE, "SQLITE_CONSTRAINT_UNIQUE", "23505"),
    (ffi::SQLITE_CONSTRAINT_ROWID, "SQLITE_CONSTRAINT_ROWID", "23505"),
    (ffi::SQLITE_CONSTRAINT_TRIGGER, "SQLITE_CONSTRAINT_TRIGGER", "P0001"),
    (ffi::SQLITE_CONSTRAINT_DATATYPE, "SQLITE_CONSTRAINT_DATATYPE", "22000"),
    (ffi::SQLITE_BUSY_SNAPSHOT, "SQLITE_BUSY_SNAPSHOT", "55P03"),
    (ffi::SQLITE_BUSY_RECOVERY, "SQLITE_BUSY_RECOVERY", "55P03"),
    (ffi::SQLITE_LOCKED_SHAREDCACHE, "SQLITE_LOCKED_SHAREDCACHE", "55P03"),
    (ffi::SQLITE_READONLY_DBMOVED, "SQLITE_READONLY_DBMOVED", "58030"),
    (ffi::SQLITE_IOERR_SHORT_READ, "SQLITE_IOERR_SHORT_READ", "58030"),
    (ffi::SQLITE_IOERR_WRITE, "SQLITE_IOERR_WRITE", "58030"),
    (ffi::SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC", "58030"),
    (ffi::SQLITE_CORRUPT_INDEX, "SQLITE_CORRUPT_INDEX", "XX002"),
    (ffi::SQLITE_CORRUPT_SEQUENCE, "SQLITE_CORRUPT_SEQUENCE", "XX001"),
];

/// Primary result codes, likewise.
const PRIMARY: [(i32, &str, &str); 19] = [
    (ffi::SQLITE_ERROR, "SQLITE_ERROR", "42000"),
    (ffi::SQLITE_INTERNAL, "SQLITE_INTERNAL", "XX000"),
    (ffi::SQLITE_PERM, "SQLITE_PERM", "42501"),
    (ffi::SQLITE_ABORT, "SQLITE_ABORT", "40000"),
    (ffi::SQLITE_BUSY, "SQLITE_BUSY", "55P03"),
    (ffi::SQLITE_LOCKED, "SQLITE_LOCKED", "55P03"),
    (ffi::SQLITE_NOMEM, "SQLITE_NOMEM", "53200"),
    (ffi::SQLITE_READONLY, "SQLITE_READONLY", "25006"),
    (ffi::SQLITE_INTERRUPT, "SQLITE_INTERRUPT", "57014"),
    (ffi::SQLITE_IOERR, "SQLITE_IOERR", "58030"),
    (ffi::SQLITE_CORRUPT, "SQLITE_CORRUPT", "XX001"),
    (ffi::SQLITE_FULL, "SQLITE_FULL", "53100"),
    (ffi::SQLITE_CANTOPEN, "SQLITE_CANTOPEN", "58030"),
    (ffi::SQLITE_TOOBIG, "SQLITE_TOOBIG", "54000"),
    (ffi::SQLITE_CONSTRAINT, "SQLITE_CONSTRAINT", "23000"),
    (ffi::SQLITE_MISMATCH, "SQLITE_MISMATCH", "22000"),
    (ffi::SQLITE_AUTH, "SQLITE_AUTH", "42501"),
    (ffi::SQLITE_RANGE, "SQLITE_RANGE", "42000"),
    (ffi::SQLITE_NOTADB, "SQLITE_NOTADB", "XX001"),
];

/// Messages of `SQLITE_ERROR` that have an SQLSTATE: what they say, and which.
const MESSAGES: [(&str, &str); 7] = [
    ("no such table", "42P01"),
    ("no such view", "42P01"),
    ("no such index", "42704"),
    ("no such column", "42703"),
    ("no such function", "42883"),
    (" already exists", "42P07"),
    ("syntax error", "42601"),
];

impl From<Error> for ServerError {
    fn from(error: Error) -> Self {
        let (failure, message, position) = match &error {
            Error::SqliteFailure(failure, message) => (*failure, message.clone(), None),
            Error::SqlInputError { error, msg, sql, offset } => {
                let offset = usize::try_from(*offset).ok().filter(|offset| sql.is_char_boundary(*offset));
                (*error, Some(msg.clone()), offset.map(|offset| sql[..offset].chars().count() + 1))
            }
            // A value of another type than was asked for, a column that is not there: the asking was wrong.
            other => return Self { sqlstate: "XX000".to_owned(), message: other.to_string(), ..Self::default() },
        };
        let message = message.unwrap_or_else(|| failure.to_string());
        let (result_code, sqlstate) = name(failure.extended_code);
        let told = MESSAGES.iter().find(|(part, _)| sqlstate == "42000" && message.contains(part));
        let (table, column) = concerned(&message);
        Self {
            sqlstate: told.map_or(sqlstate, |(_, sqlstate)| sqlstate).to_owned(),
            result_code: Some(result_code),
            message,
            position,
            schema: table.as_ref().map(|_| MAIN.to_owned()),
            table,
            column,
            ..Self::default()
        }
    }
}

/// The most telling name of a result code, and its SQLSTATE.
fn name(extended: i32) -> (&'static str, &'static str) {
    let known = EXTENDED.iter().find(|(code, ..)| *code == extended);
    let known = known.or_else(|| PRIMARY.iter().find(|(code, ..)| *code == extended & 0xff));
    known.map_or(("SQLITE_ERROR", "42000"), |(_, name, sqlstate)| (name, sqlstate))
}

/// Table and first column of a broken constraint: `UNIQUE constraint failed: orders.number, orders.line`.
fn concerned(message: &str) -> (Option<String>, Option<String>) {
    let Some((_, list)) = message.split_once("constraint failed: ") else { return (None, None) };
    let first = list.split(", ").next().unwrap_or(list);
    match first.rsplit_once('.') {
        Some((table, column)) => (Some(table.to_owned()), Some(column.to_owned())),
        None => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(setup: &str, sql: &str) -> ServerError {
        let connection = rusqlite::Connection::open_in_memory().expect("memory");
        connection.execute_batch(setup).expect("setup");
        connection.execute_batch(sql).expect_err("refused").into()
    }

    #[test]
    fn refusals_have_sqlites_name_and_the_sqlstate_of_the_same_trouble() {
        let schema = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL UNIQUE CHECK (b <> 'x')); \
                      INSERT INTO t VALUES (1, 'a')";
        for (sql, code, sqlstate, column) in [
            ("INSERT INTO t VALUES (2, 'a')", "SQLITE_CONSTRAINT_UNIQUE", "23505", Some("b")),
            ("INSERT INTO t VALUES (2, NULL)", "SQLITE_CONSTRAINT_NOTNULL", "23502", Some("b")),
            ("INSERT INTO t VALUES (2, 'x')", "SQLITE_CONSTRAINT_CHECK", "23514", None),
            ("SELECT * FROM absent", "SQLITE_ERROR", "42P01", None),
            ("CREATE TABLE t (a)", "SQLITE_ERROR", "42P07", None),
            ("SELEC 1", "SQLITE_ERROR", "42601", None),
        ] {
            let error = refused(schema, sql);
            assert_eq!((error.result_code, error.sqlstate.as_str()), (Some(code), sqlstate), "{sql}: {error}");
            assert_eq!(error.column.as_deref(), column, "{error}");
            assert!(error.to_string().ends_with(&format!("({code})")), "{error}");
        }
        assert_eq!(refused(schema, "SELECT a, c FROM t").position, Some(11));
    }

    #[test]
    fn what_a_trigger_raises_may_hold_values_and_is_not_shown() {
        let schema = "CREATE TABLE t (a); CREATE TRIGGER g BEFORE INSERT ON t BEGIN \
                      SELECT RAISE(ABORT, 'not for anna@example.org'); END";
        let shown = refused(schema, "INSERT INTO t VALUES (1)").to_string();
        assert!(!shown.contains("anna") && shown.contains("SQLITE_CONSTRAINT_TRIGGER"), "{shown}");
    }
}
