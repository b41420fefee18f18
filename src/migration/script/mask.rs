//! SQL for display: on one line, and without the values in it.

use super::Dialect;
use super::lexer::{Lexer, TokenKind};

/// The same SQL on one line: every run of whitespace and comments outside quotes is one space. Only between the parts of a
/// string that goes on in the next line, as PostgreSQL's may, it is a line end.
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

/// What stands between two tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    None,
    Space,
    LineEnd,
    Comment,
}

fn rebuild(sql: &str, dialect: Dialect, replacement: impl Fn(TokenKind) -> Option<&'static str>) -> String {
    let mut rebuilt = String::with_capacity(sql.len());
    let (mut gap, mut last) = (Gap::None, None);
    for token in Lexer::new_in(sql, dialect) {
        let text = &sql[token.span];
        if token.kind.is_trivia() {
            gap = match (token.kind, gap) {
                // No string goes on behind one.
                (TokenKind::BlockComment, _) | (_, Gap::Comment) => Gap::Comment,
                (TokenKind::Whitespace, _) if text.contains(['\n', '\r']) => Gap::LineEnd,
                (_, Gap::LineEnd) => Gap::LineEnd,
                _ => Gap::Space,
            };
            continue;
        }
        let shown = replacement(token.kind);
        let string = token.kind == TokenKind::String && text.starts_with('\'') && shown.is_none();
        let goes_on = string && last == Some(TokenKind::String) && gap == Gap::LineEnd && !dialect.is_sqlite();
        if gap != Gap::None && !rebuilt.is_empty() {
            rebuilt.push(if goes_on { '\n' } else { ' ' });
        }
        (gap, last) = (Gap::None, Some(token.kind));
        rebuilt.push_str(shown.unwrap_or(text));
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
    fn a_string_that_goes_on_in_the_next_line_stays_one() {
        let sql = "SELECT E'a'  -- and\n\n  '\\''  ,\n'b'\n/**/ 'c'";
        assert_eq!(normalise_whitespace(sql), "SELECT E'a'\n'\\'' , 'b' 'c'");
        assert_eq!(normalise_whitespace_in("SELECT 'a'\n'b'", Dialect::Sqlite), "SELECT 'a' 'b'");
        assert_eq!(mask_literals(sql), "SELECT ? ? , ? ?");
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
