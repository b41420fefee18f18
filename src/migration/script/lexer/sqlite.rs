//! Where a token of SQLite's begins and what it is: the rules of its own tokenizer (`tokenize.c`).

use super::{Lexer, Open, TokenKind, is_word_part, is_word_start};

/// What a parameter with a name begins with.
const NAMED: &[u8] = b":@$#";

impl Lexer<'_> {
    pub(super) fn begin_sqlite(&mut self) -> TokenKind {
        let first = self.rest().first().copied().unwrap_or_default();
        let second = self.byte(self.at + 1);
        if self.rest().starts_with("\u{feff}".as_bytes()) {
            self.at += "\u{feff}".len();
            return TokenKind::Whitespace;
        }
        match first {
            _ if is_space(first) => {
                self.skip_while(is_space);
                TokenKind::Whitespace
            }
            b'-' if second == Some(b'-') => {
                self.skip_while(|byte| byte != b'\n');
                TokenKind::LineComment
            }
            // A slash and a star that end the text are two operators.
            b'/' if second == Some(b'*') && self.byte(self.at + 2).is_some() => {
                self.quoted(2, Open::Comment { depth: 1 })
            }
            b'\'' => self.quoted(1, Open::String { escapes: false }),
            b'x' | b'X' if second == Some(b'\'') => self.quoted(2, Open::String { escapes: false }),
            b'"' => self.quoted(1, Open::Identifier),
            b'`' => self.quoted(1, Open::Quoted('`')),
            b'[' => self.quoted(1, Open::Quoted(']')),
            b'?' => {
                self.at += 1;
                self.skip_while(|byte| byte.is_ascii_digit());
                TokenKind::Parameter
            }
            _ if NAMED.contains(&first) => self.named_parameter(),
            _ if is_word_start(first) => self.word(),
            b'0'..=b'9' => self.number(),
            b'.' if second.is_some_and(|byte| byte.is_ascii_digit()) => self.number(),
            _ => self.sqlite_operator(),
        }
    }

    /// `:name`, `@name`, `$name`; the name may hold `::`, and end in something in parentheses.
    fn named_parameter(&mut self) -> TokenKind {
        let start = self.at;
        let mut has_name = false;
        self.at += 1;
        loop {
            match self.byte(self.at) {
                Some(byte) if is_word_part(byte) => {
                    self.skip_while(is_word_part);
                    has_name = true;
                }
                Some(b':') if self.byte(self.at + 1) == Some(b':') => self.at += 2,
                Some(b'(') if has_name => {
                    let inside = self.rest().iter().skip(1).position(|byte| is_space(*byte) || *byte == b')');
                    if let Some(end) = inside.map(|end| self.at + 1 + end).filter(|at| self.byte(*at) == Some(b')')) {
                        self.at = end + 1;
                    }
                    break;
                }
                _ => break,
            }
        }
        if has_name {
            return TokenKind::Parameter;
        }
        self.at = start;
        self.punctuation(1)
    }

    fn sqlite_operator(&mut self) -> TokenKind {
        const LONG: [&str; 10] = ["->>", "->", "||", "==", "<=", "<>", "<<", ">=", ">>", "!="];
        let rest = self.rest();
        let long = LONG.iter().find(|operator| rest.starts_with(operator.as_bytes()));
        match (long, rest.first()) {
            (Some(long), _) => {
                self.at += long.len();
                TokenKind::Operator
            }
            (None, Some(byte)) if b"+-*/%<>=!&|~".contains(byte) => {
                self.at += 1;
                TokenKind::Operator
            }
            _ => self.punctuation(1),
        }
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

#[cfg(test)]
mod tests {
    use super::super::{Carry, Token};
    use super::*;
    use crate::migration::script::Dialect;
    use proptest::prelude::*;

    fn significant(sql: &str) -> Vec<(TokenKind, &str)> {
        let all = Lexer::new_in(sql, Dialect::Sqlite).filter(|token| !token.kind.is_trivia());
        all.map(|token| (token.kind, &sql[token.span])).collect()
    }

    fn texts(sql: &str) -> Vec<&str> {
        significant(sql).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn strings_and_names_end_where_sqlite_ends_them() {
        for (whole, kind) in [
            ("'it''s'", TokenKind::String),
            (r"'back\'", TokenKind::String),
            ("x'ff00'", TokenKind::String),
            ("X''", TokenKind::String),
            ("\"a\"\"b;\"", TokenKind::QuotedIdentifier),
            ("`a``b;`", TokenKind::QuotedIdentifier),
            ("[a;\"'` b]", TokenKind::QuotedIdentifier),
        ] {
            assert_eq!(significant(whole), [(kind, whole)]);
        }
        assert_eq!(texts("[a]]"), ["[a]", "]"], "nothing doubles a bracket");
        assert_eq!(texts(r"E'a\' b"), ["E", r"'a\'", "b"], "no prefix changes what a backslash is");
    }

    #[test]
    fn comments_do_not_nest_and_may_end_with_the_text() {
        assert_eq!(texts("/* a /* b */ c"), ["c"]);
        assert_eq!(texts("/*/ still */ c"), ["c"]);
        assert_eq!(texts("a -- b\rc\nd"), ["a", "d"], "a carriage return alone ends no comment");
        assert_eq!(texts("a /*"), ["a", "/", "*"]);
        assert_eq!(texts("a /* never ends"), ["a"]);
        assert_eq!(texts("\u{feff}SELECT"), ["SELECT"]);
    }

    #[test]
    fn parameters_are_whole() {
        for whole in ["?", "?12", ":name", "@näme", "$1", "$a::b(c)", ":a$b"] {
            assert_eq!(significant(whole), [(TokenKind::Parameter, whole)]);
        }
        assert_eq!(texts("a=?1 b:c ?x"), ["a", "=", "?1", "b", ":c", "?", "x"]);
        assert_eq!(texts(": @ $ a$b"), [":", "@", "$", "a$b"]);
        assert_eq!(texts("f(:a)"), ["f", "(", ":a", ")"]);
    }

    #[test]
    fn operators_are_sqlites() {
        assert_eq!(
            texts("a->>'b' c->d e||f g==-1 h<>i"),
            ["a", "->>", "'b'", "c", "->", "d", "e", "||", "f", "g", "==", "-", "1", "h", "<>", "i"]
        );
        assert_eq!(texts("$$ 1 $$"), ["$$", "1", "$$"], "no dollar quotes, but a parameter's name");
    }

    #[test]
    fn what_is_open_goes_on_in_the_next_piece() {
        let begun = |piece: &str| {
            let mut lexer = Lexer::resume(piece, Carry::begin(Dialect::Sqlite));
            lexer.by_ref().for_each(drop);
            lexer.into_carry()
        };
        for (piece, rest) in [("'a\n", "b' c"), ("[a\n", "b] c"), ("`a\n", "b` c"), ("/* a /*\n", "b */ c")] {
            let mut lexer = Lexer::resume(rest, begun(piece));
            let first = lexer.next().expect("a token");
            assert!(first.continued, "{piece}");
            let after: Vec<Token> = lexer.filter(|token| !token.kind.is_trivia()).collect();
            assert_eq!(after.len(), 1, "{piece}");
        }
    }

    proptest! {
        #[test]
        fn every_byte_belongs_to_one_token(sql in "\\PC*|[a-zé$'\"`\\[\\]\\\\/*:;@=?# \n\r\t0-9.(-]{0,80}") {
            let mut at = 0;
            for token in Lexer::new_in(&sql, Dialect::Sqlite) {
                prop_assert_eq!(token.span.start, at);
                prop_assert!(token.span.end > at);
                prop_assert!(sql.is_char_boundary(token.span.end));
                at = token.span.end;
            }
            prop_assert_eq!(at, sql.len());
        }
    }
}
