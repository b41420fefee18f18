//! Parameters whose place in a query's text says what they are: row counts.

use crate::migration::script::lexer::{Lexer, TokenKind};

/// What a parameter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// `LIMIT $n`, `FETCH FIRST $n ROWS`.
    Limit,
    /// `OFFSET $n`.
    Offset,
}

/// The number after the dollar sign of each parameter that counts rows.
pub fn counts(sql: &str) -> Vec<(usize, Count)> {
    let mut words: Vec<(TokenKind, String)> = Vec::new();
    for token in Lexer::new(sql).filter(|token| !token.kind.is_trivia()) {
        let word = &sql[token.span.clone()];
        // LIMIT ($1)
        if word != "(" {
            words.push((token.kind, word.to_ascii_uppercase()));
        }
    }
    let mut found = Vec::new();
    for (at, (kind, word)) in words.iter().enumerate() {
        let Some(number) = word.strip_prefix('$').and_then(|number| number.parse().ok()) else { continue };
        if *kind != TokenKind::Parameter {
            continue;
        }
        let before = |steps: usize| match at.checked_sub(steps).map(|earlier| &words[earlier]) {
            Some((TokenKind::Word, earlier)) => earlier.as_str(),
            _ => "",
        };
        // An expression such as LIMIT $1 * 2 counts otherwise.
        if words.get(at + 1).is_some_and(|(next, _)| *next == TokenKind::Operator) {
            continue;
        }
        match (before(1), before(2)) {
            ("LIMIT", _) | ("FIRST" | "NEXT", "FETCH") => found.push((number, Count::Limit)),
            ("OFFSET", _) => found.push((number, Count::Offset)),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_counts_are_found_by_the_word_before_them() {
        use Count::{Limit, Offset};
        assert_eq!(counts("SELECT 1 LIMIT $2 OFFSET ($1)"), [(2, Limit), (1, Offset)]);
        assert_eq!(counts("select 1 fetch /* x */ first $1 rows only"), [(1, Limit)]);
        assert_eq!(counts("SELECT 'LIMIT $1', \"limit\" = $2"), []);
        assert_eq!(counts("SELECT 1 LIMIT $1 * 2"), []);
    }
}
