//! SQL as tokens, resumable between lines.
//!
//! Every byte belongs to exactly one token and nothing is an error: what the server would refuse comes out as
//! punctuation, what never ends as a token that stays open at the end of the text.

mod sqlite;

use super::Dialect;
use std::ops::Range;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Spaces, tabs, line ends.
    Whitespace,
    /// `-- …`, without its line end.
    LineComment,
    /// `/* … */`, nested ones included.
    BlockComment,
    /// `'…'`, also with a prefix: `E''`, `B''`, `X''`, `N''`, `U&''`.
    String,
    /// `$tag$…$tag$`.
    DollarString,
    /// `"…"`, also `U&"…"`; in SQLite `` `…` `` and `[…]` as well.
    QuotedIdentifier,
    /// A keyword or an unquoted name.
    Word,
    /// A number without its sign.
    Number,
    /// `$1`; in SQLite `?`, `?1`, `:name`, `@name` and `$name`.
    Parameter,
    /// A run of operator characters.
    Operator,
    /// `::`, `:=`, `..`, or any single character that is nothing else.
    Punctuation,
}

impl TokenKind {
    /// Whitespace or a comment: it never changes what a statement means.
    pub fn is_trivia(self) -> bool {
        matches!(self, Self::Whitespace | Self::LineComment | Self::BlockComment)
    }
}

/// A token and the bytes it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Bytes of the text given to the lexer.
    pub span: Range<usize>,
    /// It began in an earlier piece of text.
    pub continued: bool,
}

/// What stays open at the end of a piece of text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Open {
    /// Nothing.
    #[default]
    Nothing,
    /// A block comment, `depth` levels deep.
    Comment {
        /// At least 1.
        depth: usize,
    },
    /// A string.
    String {
        /// A backslash keeps the next character from ending it.
        escapes: bool,
    },
    /// A quoted identifier.
    Identifier,
    /// A quoted identifier of SQLite's that ends with this: a backtick, or a closing bracket, which nothing doubles.
    Quoted(char),
    /// A dollar-quoted string that ends with this tag, dollar signs included.
    Dollar(String),
}

/// Where a lexer stands between two pieces of text.
#[derive(Debug, Clone, Default)]
pub struct Carry {
    open: Open,
    /// An `E''` string just ended: a string after a line end continues it, backslashes and all.
    after_escapes: AfterEscapes,
    dialect: Dialect,
}

impl Carry {
    /// Before the first piece of a text.
    pub fn begin(dialect: Dialect) -> Self {
        Self { dialect, ..Self::default() }
    }

    /// Whose SQL it is.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What is unfinished.
    pub fn open(&self) -> &Open {
        &self.open
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum AfterEscapes {
    #[default]
    No,
    SameLine,
    NextLine,
}

/// Cuts text into tokens.
#[derive(Debug)]
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
    carry: Carry,
}

impl<'a> Lexer<'a> {
    /// Begins with nothing open.
    pub fn new(text: &'a str) -> Self {
        Self::resume(text, Carry::default())
    }

    /// The same in the SQL of an engine.
    pub fn new_in(text: &'a str, dialect: Dialect) -> Self {
        Self::resume(text, Carry::begin(dialect))
    }

    /// Goes on where an earlier piece of text ended. Pieces must end at line ends.
    pub fn resume(text: &'a str, carry: Carry) -> Self {
        Self { text, at: 0, carry }
    }

    /// What is unfinished after the last token returned.
    pub fn open(&self) -> &Open {
        &self.carry.open
    }

    /// Where the next piece of text goes on.
    pub fn into_carry(self) -> Carry {
        self.carry
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Moves past every byte that `belongs`.
    fn skip_while(&mut self, belongs: impl Fn(u8) -> bool) {
        let rest = self.rest();
        self.at += rest.iter().position(|byte| !belongs(*byte)).unwrap_or(rest.len());
    }

    fn begin(&mut self) -> TokenKind {
        if self.carry.dialect.is_sqlite() {
            return self.begin_sqlite();
        }
        let first = self.rest().first().copied().unwrap_or_default();
        let second = self.byte(self.at + 1);
        match first {
            _ if is_space(first) => {
                self.skip_while(is_space);
                TokenKind::Whitespace
            }
            b'-' if second == Some(b'-') => {
                self.skip_while(|byte| byte != b'\n' && byte != b'\r');
                TokenKind::LineComment
            }
            b'/' if second == Some(b'*') => self.quoted(2, Open::Comment { depth: 1 }),
            b'\'' => {
                let escapes = self.carry.after_escapes == AfterEscapes::NextLine;
                self.quoted(1, Open::String { escapes })
            }
            b'"' => self.quoted(1, Open::Identifier),
            b'$' => self.dollar(second),
            b'e' | b'E' if second == Some(b'\'') => self.quoted(2, Open::String { escapes: true }),
            b'b' | b'B' | b'x' | b'X' | b'n' | b'N' if second == Some(b'\'') => {
                self.quoted(2, Open::String { escapes: false })
            }
            b'u' | b'U' if second == Some(b'&') => match self.byte(self.at + 2) {
                Some(b'\'') => self.quoted(3, Open::String { escapes: false }),
                Some(b'"') => self.quoted(3, Open::Identifier),
                _ => self.word(),
            },
            _ if is_word_start(first) => self.word(),
            b'0'..=b'9' => self.number(),
            b'.' if second.is_some_and(|byte| byte.is_ascii_digit()) => self.number(),
            _ if is_operator(first) => self.operator(),
            b':' if matches!(second, Some(b':' | b'=')) => self.punctuation(2),
            b'.' if second == Some(b'.') => self.punctuation(2),
            _ => self.punctuation(1),
        }
    }

    fn word(&mut self) -> TokenKind {
        self.skip_while(is_word_part);
        TokenKind::Word
    }

    fn punctuation(&mut self, length: usize) -> TokenKind {
        self.at += length;
        TokenKind::Punctuation
    }

    /// `$1`, the beginning of a dollar-quoted string, or a lone dollar sign.
    fn dollar(&mut self, second: Option<u8>) -> TokenKind {
        if second.is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
            self.skip_while(|byte| byte.is_ascii_digit());
            return TokenKind::Parameter;
        }
        let after = self.text.get(self.at + 1..).unwrap_or_default();
        let tag = after.bytes().position(|byte| !is_word_part(byte) || byte == b'$').unwrap_or(after.len());
        if after.as_bytes().get(tag) != Some(&b'$') {
            return self.punctuation(1);
        }
        let delimiter = format!("${}$", &after[..tag]);
        self.quoted(delimiter.len(), Open::Dollar(delimiter))
    }

    fn number(&mut self) -> TokenKind {
        let base = self.byte(self.at + 1).map(|byte| byte.to_ascii_lowercase());
        if self.byte(self.at) == Some(b'0') && matches!(base, Some(b'x' | b'o' | b'b')) {
            self.at += 2;
            self.skip_while(|byte| byte.is_ascii_hexdigit() || byte == b'_');
            return TokenKind::Number;
        }
        let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'_';
        self.skip_while(is_digit);
        if self.byte(self.at) == Some(b'.') && self.byte(self.at + 1) != Some(b'.') {
            self.at += 1;
            self.skip_while(is_digit);
        }
        if matches!(self.byte(self.at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.byte(self.at + 1), Some(b'+' | b'-')));
            if self.byte(self.at + 1 + sign).is_some_and(|byte| byte.is_ascii_digit()) {
                self.at += 1 + sign;
                self.skip_while(is_digit);
            }
        }
        TokenKind::Number
    }

    /// A run of operator characters, cut where a comment begins. As in the server, a longer operator ends in `+` or `-`
    /// only if it holds a character that SQL's own operators do not: `a=-1` compares with minus one.
    fn operator(&mut self) -> TokenKind {
        let rest = self.rest();
        let run = rest.iter().position(|byte| !is_operator(*byte)).unwrap_or(rest.len());
        let mut length =
            (0..run).find(|at| rest[*at..].starts_with(b"--") || rest[*at..].starts_with(b"/*")).unwrap_or(run);
        if !rest[..length].iter().any(|byte| b"~!@#^&|`?%".contains(byte)) {
            while length > 1 && matches!(rest[length - 1], b'+' | b'-') {
                length -= 1;
            }
        }
        self.at += length;
        TokenKind::Operator
    }

    /// Opens something that has an end of its own, `delimiter` bytes long at its beginning, and reads to that end.
    fn quoted(&mut self, delimiter: usize, open: Open) -> TokenKind {
        self.at += delimiter;
        self.carry.open = open;
        self.read_open()
    }

    /// Reads on until what is open ends, or the text does.
    fn read_open(&mut self) -> TokenKind {
        let open = std::mem::take(&mut self.carry.open);
        let (kind, closed) = match open {
            Open::Nothing => return self.begin(),
            Open::Comment { depth } => (TokenKind::BlockComment, self.read_comment(depth)),
            Open::String { escapes } => (TokenKind::String, self.read_quotes(b'\'', escapes, open)),
            Open::Identifier => (TokenKind::QuotedIdentifier, self.read_quotes(b'"', false, open)),
            Open::Quoted('`') => (TokenKind::QuotedIdentifier, self.read_quotes(b'`', false, open)),
            Open::Quoted(end) => {
                let found = self.text.get(self.at..).unwrap_or_default().find(end);
                self.at = found.map_or(self.text.len(), |found| self.at + found + end.len_utf8());
                (TokenKind::QuotedIdentifier, if found.is_some() { Open::Nothing } else { open })
            }
            Open::Dollar(delimiter) => {
                let end = self.text.get(self.at..).unwrap_or_default().find(&delimiter);
                self.at = end.map_or(self.text.len(), |end| self.at + end + delimiter.len());
                (TokenKind::DollarString, if end.is_some() { Open::Nothing } else { Open::Dollar(delimiter) })
            }
        };
        self.carry.open = closed;
        kind
    }

    fn read_comment(&mut self, mut depth: usize) -> Open {
        while let Some(step) = self.rest().windows(2).position(|pair| pair == b"/*" || pair == b"*/") {
            let opens = self.byte(self.at + step) == Some(b'/');
            // SQLite's comments do not nest: of a slash and a star inside one, the star may begin its end.
            if opens && self.carry.dialect.is_sqlite() {
                self.at += step + 1;
                continue;
            }
            depth = if opens { depth + 1 } else { depth - 1 };
            self.at += step + 2;
            if depth == 0 {
                return Open::Nothing;
            }
        }
        self.at = self.text.len();
        Open::Comment { depth }
    }

    fn read_quotes(&mut self, quote: u8, escapes: bool, open: Open) -> Open {
        while let Some(step) = self.rest().iter().position(|byte| *byte == quote || escapes && *byte == b'\\') {
            self.at += step;
            if self.byte(self.at) == Some(quote) && self.byte(self.at + 1) != Some(quote) {
                self.at += 1;
                return Open::Nothing;
            }
            // Past an escape or a doubled quote: two bytes, and a character longer than that holds no quote anyway.
            self.at = self.text.len().min(self.at + 2);
        }
        self.at = self.text.len();
        open
    }

    /// Remembers whether a string that follows would continue an `E''` string.
    fn note_escapes(&mut self, token: &Token, opened_escapes: bool) {
        if self.carry.dialect.is_sqlite() {
            return;
        }
        let text = &self.text[token.span.clone()];
        self.carry.after_escapes = match (token.kind, self.carry.after_escapes) {
            (TokenKind::String, _) if opened_escapes => AfterEscapes::SameLine,
            (TokenKind::Whitespace, AfterEscapes::SameLine) if text.contains(['\n', '\r']) => AfterEscapes::NextLine,
            (TokenKind::Whitespace | TokenKind::LineComment, unchanged) => unchanged,
            _ => AfterEscapes::No,
        };
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        if self.at >= self.text.len() {
            return None;
        }
        let start = self.at;
        let continued = self.carry.open != Open::Nothing;
        let resumed_escapes = self.carry.open == Open::String { escapes: true };
        let continues_escapes = self.carry.after_escapes == AfterEscapes::NextLine && self.byte(start) == Some(b'\'');
        let kind = self.read_open();
        let token = Token { kind, span: start..self.at, continued };
        let prefixed = matches!(self.byte(start), Some(b'e' | b'E')) && !continued;
        self.note_escapes(&token, resumed_escapes || continues_escapes || prefixed);
        Some(token)
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word_part(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn is_operator(byte: u8) -> bool {
    b"+-*/<>=~!@#%^&|`?".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn significant(sql: &str) -> Vec<(TokenKind, &str)> {
        Lexer::new(sql)
            .filter(|token| !token.kind.is_trivia())
            .map(|token| (token.kind, &sql[token.span.clone()]))
            .collect()
    }

    fn texts(sql: &str) -> Vec<&str> {
        significant(sql).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn strings_end_where_the_server_ends_them() {
        for whole in [
            "'it''s'",
            r"'back\'",
            r"E'it\'s'",
            r"e'\\'",
            "b'01'",
            "X'ff'",
            "n'x'",
            r"U&'\0041'",
            "$$a'b$$",
            "$x$ $y$ $x$",
            "$é$;$é$",
            "$_1$$$_1$",
        ] {
            let tokens = significant(whole);
            assert_eq!(tokens.len(), 1, "{whole} is one token, not {tokens:?}");
            assert!(matches!(tokens[0].0, TokenKind::String | TokenKind::DollarString), "{whole}");
        }
    }

    #[test]
    fn a_string_on_the_next_line_goes_on_with_backslashes() {
        assert_eq!(texts("E'a' -- c\n 'b\\'c' x"), ["E'a'", "'b\\'c'", "x"]);
        assert_eq!(texts("E'a' 'b\\' x"), ["E'a'", "'b\\'", "x"]);
        assert_eq!(texts("'a'\n'b\\' x"), ["'a'", "'b\\'", "x"]);
    }

    #[test]
    fn dollar_signs_are_told_apart() {
        assert_eq!(
            significant("a$1$b $1 $1a $ $9"),
            [
                (TokenKind::Word, "a$1$b"),
                (TokenKind::Parameter, "$1"),
                (TokenKind::Parameter, "$1"),
                (TokenKind::Word, "a"),
                (TokenKind::Punctuation, "$"),
                (TokenKind::Parameter, "$9"),
            ]
        );
    }

    #[test]
    fn identifiers_double_their_quotes() {
        assert_eq!(texts(r#""a""b;" U&"d\0061t" über"#), [r#""a""b;""#, r#"U&"d\0061t""#, "über"]);
    }

    #[test]
    fn comments_nest_and_end_at_carriage_returns() {
        assert_eq!(texts("/* a /* b */ ; */ x -- y\rz"), ["x", "z"]);
        assert_eq!(texts("1 */* c */ 2"), ["1", "*", "2"]);
        assert_eq!(texts("a--b"), ["a"]);
    }

    #[test]
    fn operators_end_as_the_server_ends_them() {
        assert_eq!(texts("a=-1"), ["a", "=", "-", "1"]);
        assert_eq!(texts("a@-1"), ["a", "@-", "1"]);
        assert_eq!(texts("a@>b <@ c @@ d ->>'e'"), ["a", "@>", "b", "<@", "c", "@@", "d", "->>", "'e'"]);
        assert_eq!(texts("a::int b:=c x[1:2]"), ["a", "::", "int", "b", ":=", "c", "x", "[", "1", ":", "2", "]"]);
    }

    #[test]
    fn numbers_keep_their_parts() {
        for whole in ["1", "1.5", ".5", "1e10", "1.5E-3", "0xFF", "1_000", "5."] {
            assert_eq!(significant(whole), [(TokenKind::Number, whole)]);
        }
        assert_eq!(texts("1..10"), ["1", "..", "10"]);
        assert_eq!(texts("1e"), ["1", "e"]);
    }

    #[test]
    fn what_never_ends_stays_open() {
        let open_after = |sql: &str| {
            let mut lexer = Lexer::new(sql);
            lexer.by_ref().for_each(drop);
            lexer.into_carry().open
        };
        assert_eq!(open_after("'a"), Open::String { escapes: false });
        assert_eq!(open_after("'a''"), Open::String { escapes: false });
        assert_eq!(open_after(r"E'a\'"), Open::String { escapes: true });
        assert_eq!(open_after("\"a"), Open::Identifier);
        assert_eq!(open_after("/* /* */"), Open::Comment { depth: 1 });
        assert_eq!(open_after("$x$ $"), Open::Dollar("$x$".into()));
        assert_eq!(open_after("'' $$ $$ /**/ -- '"), Open::Nothing);
    }

    proptest! {
        #[test]
        fn every_byte_belongs_to_one_token(sql in "\\PC*|[a-zé$'\"\\\\/*:;@=+ \n\r\t0-9.-]{0,80}") {
            let mut at = 0;
            for token in Lexer::new(&sql) {
                prop_assert_eq!(token.span.start, at);
                prop_assert!(token.span.end > at);
                prop_assert!(sql.is_char_boundary(token.span.end));
                at = token.span.end;
            }
            prop_assert_eq!(at, sql.len());
        }
    }
}
