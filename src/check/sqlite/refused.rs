//! What to do about refusals of SQLite's own.

use crate::engine::ServerError;

/// What a message says, and what to do instead.
const ADVICE: &[(&str, &str)] = &[
    (
        "Cannot add a NOT NULL column with default value NULL",
        "SQLite adds a required column to a table with rows only with a constant DEFAULT: give it one, or rebuild the table and \
         say what existing rows get",
    ),
    (
        "Cannot add a column with non-constant default",
        "add the column without the default and fill it with UPDATE, or rebuild the table",
    ),
    ("Cannot add a UNIQUE column", "add the column without UNIQUE, then CREATE UNIQUE INDEX on it"),
    ("Cannot add a PRIMARY KEY column", "a key cannot be added in place: rebuild the table"),
    ("cannot add a STORED column", "make the column VIRTUAL, or rebuild the table"),
    (
        "Cannot add a REFERENCES column with non-NULL default value",
        "leave the default out, or add the column while foreign keys are off",
    ),
    (
        "from within a transaction",
        "it has to run outside a transaction: mark the migration as one that runs without one, as its tool allows",
    ),
    (
        "inside a transaction",
        "it has to run outside a transaction: mark the migration as one that runs without one, as its tool allows",
    ),
    (
        "error in view ",
        "drop the view before, and create it again afterwards: SQLite looks through every view when a table or column changes \
         its name or goes",
    ),
    (
        "error in trigger ",
        "drop the trigger before, and create it again afterwards: SQLite looks through every trigger when a table or column \
         changes its name or goes",
    ),
    ("error in index ", "drop the index before: no column goes that an index needs"),
];

/// What to do about a refusal, where there is more to say than to mend it.
pub(in crate::check) fn advice(error: &ServerError) -> Option<&'static str> {
    error.result_code?;
    ADVICE.iter().find(|(part, _)| error.message.contains(part)).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::advice;
    use crate::engine::ServerError;

    #[test]
    fn each_refusal_that_is_known_here_is_one_of_sqlites_own() {
        let setup = "CREATE TABLE p (a INTEGER PRIMARY KEY); CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 2); \
                     CREATE VIEW v AS SELECT b FROM t; PRAGMA foreign_keys = ON";
        let in_transaction = |sql: &str| format!("BEGIN; {sql}");
        for sql in [
            "ALTER TABLE t ADD COLUMN c TEXT NOT NULL".to_owned(),
            "ALTER TABLE t ADD COLUMN c TEXT DEFAULT CURRENT_TIMESTAMP".to_owned(),
            "ALTER TABLE t ADD COLUMN c TEXT UNIQUE".to_owned(),
            "ALTER TABLE t ADD COLUMN c INTEGER PRIMARY KEY".to_owned(),
            "ALTER TABLE t ADD COLUMN c AS (a) STORED".to_owned(),
            "ALTER TABLE t ADD COLUMN c REFERENCES p DEFAULT 1".to_owned(),
            "ALTER TABLE t DROP COLUMN b".to_owned(),
            in_transaction("VACUUM"),
            in_transaction("PRAGMA synchronous = OFF"),
        ] {
            let connection = rusqlite::Connection::open_in_memory().expect("memory");
            connection.execute_batch(setup).expect("setup");
            let error = ServerError::from(connection.execute_batch(&sql).expect_err(&sql));
            assert!(advice(&error).is_some(), "{sql}: {error}");
        }
        let connection = rusqlite::Connection::open_in_memory().expect("memory");
        let error = ServerError::from(connection.execute_batch("SELECT * FROM absent").expect_err("refused"));
        assert_eq!(advice(&error), None);
    }
}
