//! A statement as the tokens that matter, for whoever reads a few clauses of it.

use super::Dialect;
use super::lexer::{Lexer, TokenKind};

/// One token that matters.
#[derive(Debug, Clone)]
pub struct Word<'a> {
    /// As it stands there.
    pub text: &'a str,
    /// What it is.
    pub kind: TokenKind,
    /// Parentheses and brackets open around it.
    pub depth: usize,
    /// Byte of the text where it begins.
    pub start: usize,
}

impl Word<'_> {
    /// Whether it is this keyword, in any case.
    pub fn is(&self, keyword: &str) -> bool {
        self.kind == TokenKind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// The name it spells, unquoted and folded as the server does, if it is one.
    pub fn name(&self) -> Option<String> {
        match self.kind {
            TokenKind::Word => Some(folded(self.text)),
            TokenKind::QuotedIdentifier => Some(self.text.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\"")),
            _ => None,
        }
    }
}

/// A name that is not quoted, as the server folds it in UTF-8: letters of ASCII and no others.
pub fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// The tokens of a text, comments and spaces left out, each with its depth; a bracket has the depth it stands at.
pub fn words(sql: &str) -> Vec<Word<'_>> {
    words_in(sql, Dialect::PostgreSql)
}

/// The same in the SQL of an engine. Names of SQLite are spelled by [`super::sqlite::unquoted`], not by [`Word::name`].
pub fn words_in(sql: &str, dialect: Dialect) -> Vec<Word<'_>> {
    let mut depth = 0_usize;
    Lexer::new_in(sql, dialect)
        .filter(|token| !token.kind.is_trivia())
        .map(|token| {
            let start = token.span.start;
            let text = &sql[token.span];
            let (opens, closes) = (matches!(text, "(" | "["), matches!(text, ")" | "]"));
            depth = depth.saturating_sub(usize::from(closes));
            let word = Word { text, kind: token.kind, depth, start };
            depth += usize::from(opens);
            word
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn tokens_know_how_deep_they_stand_and_names_are_folded() {
        let all = words("UPDATE \"T\"\"x\" /* a */ SET N = (1 + [2]) -- end");
        let seen: Vec<(&str, usize)> = all.iter().map(|word| (word.text, word.depth)).collect();
        assert_eq!(seen[..2], [("UPDATE", 0), ("\"T\"\"x\"", 0)]);
        assert_eq!(seen[5..], [("(", 0), ("1", 1), ("+", 1), ("[", 1), ("2", 2), ("]", 1), (")", 0)]);
        assert_eq!(all[1].name().as_deref(), Some("T\"x"));
        assert_eq!(all[3].name().as_deref(), Some("n"));
        assert_eq!((all[0].start, all[3].start), (0, 26));
        assert!(all[0].is("update") && !all[1].is("T"));
    }

    #[test]
    fn only_letters_of_ascii_are_folded_as_the_server_does_in_utf_8() {
        let all = words("ALTER TABLE Ärger RENAME TO ÄRGER");
        let names: Vec<String> = [2, 5].iter().filter_map(|at: &usize| all[*at].name()).collect();
        assert_eq!(names, ["Ärger", "Ärger"]);
    }
}
