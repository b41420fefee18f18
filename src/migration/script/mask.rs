//! SQL for display: on one line, and without the values in it.

use super::Dialect;
use super::lexer::{Lexer, TokenKind};

/// The same SQL on one line: every run of whitespace and comments outside quotes is one space.
pub fn normalise_whitespace(sql: &str) -> String {
    normalise_whitespace_in(sql, Dialect::PostgreSql)
}

/// The same for the SQL of an engine.
pub fn normalise_whitespace_in(sql: &str, dialect: Dialect) -> String {
    rebuild(sql, dialect, |_| None)
}

/// The SQL with every string and number replaced by `?` and comments left out: no value of user data remains.
///
/// Names stay readable, also where the text breaks off in the middle of something.
pub fn mask_literals(sql: &str) -> String {
    mask_literals_in(sql, Dialect::PostgreSql)
}

/// The same for the SQL of an engine.
pub fn mask_literals_in(sql: &str, dialect: Dialect) -> String {
    let is_value = |kind| matches!(kind, TokenKind::String | TokenKind::DollarString | TokenKind::Number);
    rebuild(sql, dialect, |kind| is_value(kind).then_some("?"))
}

fn rebuild(sql: &str, dialect: Dialect, replacement: impl Fn(TokenKind) -> Option<&'static str>) -> String {
    let mut rebuilt = String::with_capacity(sql.len());
    let mut gap = false;
    for token in Lexer::new_in(sql, dialect) {
        if token.kind.is_trivia() {
            gap = true;
            continue;
        }
        if gap && !rebuilt.is_empty() {
            rebuilt.push(' ');
        }
        gap = false;
        rebuilt.push_str(replacement(token.kind).unwrap_or(&sql[token.span]));
    }
    rebuilt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_line_ends_become_one_space() {
        assert_eq!(
            normalise_whitespace("\n SELECT  a, -- the key\r\n\t'x  y'/* c */FROM t\n"),
            "SELECT a, 'x  y' FROM t"
        );
    }

    #[test]
    fn no_value_survives_masking() {
        let sql = "INSERT INTO \"Us3r\" VALUES ('Ada', E'L\\'ove', $$lace$$, -18.15e1, $1, u&'x', N'y') -- Ada";
        assert_eq!(mask_literals(sql), "INSERT INTO \"Us3r\" VALUES (?, ?, ?, -?, $1, ?, ?)");
        assert_eq!(mask_literals("SELECT 'cut sho"), "SELECT ?");
        assert_eq!(mask_literals("x = 0xAF AND t2.c1[3:4]"), "x = ? AND t2.c1[?:?]");
    }

    #[test]
    fn values_are_told_from_names_as_sqlite_does() {
        let masked = |sql| mask_literals_in(sql, Dialect::Sqlite);
        assert_eq!(
            masked("INSERT INTO [t 1] VALUES (x'00', 'it''s', ?1, 2) /* x"),
            "INSERT INTO [t 1] VALUES (?, ?, ?1, ?)"
        );
        assert_eq!(normalise_whitespace_in("SELECT `a  b`\n, $$ -- x", Dialect::Sqlite), "SELECT `a  b` , $$");
    }
}
