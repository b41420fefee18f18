//! The outer words of a statement, enough to tell its kind and to change one clause of it.

use std::ops::Range;

/// One token of a statement: a word, a quoted name, a string, or a single punctuation character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Where it stands, in bytes.
    pub span: Range<usize>,
    /// What it is.
    pub kind: WordKind,
}

/// Kinds of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordKind {
    /// A keyword, a name or a number, unquoted.
    Plain,
    /// `"a name"`.
    Quoted,
    /// `'…'`, `E'…'`, `$$…$$`.
    Literal,
    /// Anything else, one character.
    Punctuation,
}

/// A statement and its first words.
#[derive(Debug)]
pub struct Words<'sql> {
    sql: &'sql str,
    words: Vec<Word>,
}

impl<'sql> Words<'sql> {
    /// Reads at most `limit` words; comments and white space are passed over.
    pub fn new(sql: &'sql str, limit: usize) -> Self {
        let mut words = Vec::new();
        let mut at = 0;
        while words.len() < limit
            && let Some(word) = next_word(sql, at)
        {
            at = word.span.end;
            words.push(word);
        }
        Self { sql, words }
    }

    /// How many words were read.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// No word at all.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The text of word `index`, empty past the end.
    pub fn text(&self, index: usize) -> &'sql str {
        self.words.get(index).map_or("", |word| &self.sql[word.span.clone()])
    }

    /// Where word `index` stands.
    pub fn span(&self, index: usize) -> Option<Range<usize>> {
        self.words.get(index).map(|word| word.span.clone())
    }

    /// What word `index` is.
    pub fn kind(&self, index: usize) -> Option<WordKind> {
        self.words.get(index).map(|word| word.kind)
    }

    /// Whether word `index` is this keyword.
    pub fn is(&self, index: usize, keyword: &str) -> bool {
        self.words.get(index).is_some_and(|word| word.kind != WordKind::Quoted)
            && self.text(index).eq_ignore_ascii_case(keyword)
    }

    /// Whether the statement begins with these keywords, separated by one space.
    pub fn start_with(&self, keywords: &str) -> bool {
        keywords.split(' ').enumerate().all(|(index, keyword)| self.is(index, keyword))
    }

    /// The first place at or after `from` of this keyword, outside parentheses.
    pub fn find(&self, from: usize, keyword: &str) -> Option<usize> {
        let mut depth = 0_usize;
        for index in from..self.words.len() {
            match self.text(index) {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                _ if depth == 0 && self.is(index, keyword) => return Some(index),
                _ => {}
            }
        }
        None
    }

    /// The name at word `index` as the server folds it: unquoted in lower case, quoted as it stands.
    pub fn name(&self, index: usize) -> Option<String> {
        let word = self.words.get(index)?;
        let text = self.text(index);
        match word.kind {
            WordKind::Plain => Some(text.to_ascii_lowercase()),
            WordKind::Quoted => Some(text[1..text.len() - 1].replace("\"\"", "\"")),
            WordKind::Literal | WordKind::Punctuation => None,
        }
    }

    /// A string literal's value, or a name's, at word `index`.
    pub fn value(&self, index: usize) -> Option<String> {
        let word = self.words.get(index)?;
        if word.kind != WordKind::Literal {
            return self.name(index);
        }
        let text = self.text(index);
        let quoted = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''))?;
        Some(quoted.replace("''", "'"))
    }
}

/// Where the white space and comments from `at` on end.
pub fn skip_blank(sql: &str, mut at: usize) -> usize {
    let bytes = sql.as_bytes();
    loop {
        match &bytes[at..] {
            [byte, ..] if byte.is_ascii_whitespace() => at += 1,
            [b'-', b'-', ..] => at = sql[at..].find('\n').map_or(sql.len(), |end| at + end + 1),
            [b'/', b'*', ..] => {
                let mut depth = 0_usize;
                while at < bytes.len() {
                    match &bytes[at..] {
                        [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
                        [b'*', b'/', ..] => (depth, at) = (depth.saturating_sub(1), at + 2),
                        _ => at += 1,
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
            _ => return at,
        }
    }
}

fn next_word(sql: &str, at: usize) -> Option<Word> {
    let start = skip_blank(sql, at);
    let bytes = sql.as_bytes();
    let word = |end: usize, kind| Some(Word { span: start..end, kind });
    let part_of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    match bytes.get(start)? {
        b'"' => word(closing(bytes, start + 1, b'"', false), WordKind::Quoted),
        b'\'' => word(closing(bytes, start + 1, b'\'', false), WordKind::Literal),
        b'E' | b'e' if bytes.get(start + 1) == Some(&b'\'') => {
            word(closing(bytes, start + 2, b'\'', true), WordKind::Literal)
        }
        b'$' => {
            let tag = bytes[start + 1..].iter().position(|byte| !part_of_name(*byte)).map(|end| start + 1 + end);
            match tag.filter(|end| bytes[*end] == b'$').map(|end| &sql[start..=end]) {
                Some(tag) => {
                    let body = start + tag.len();
                    let end = sql[body..].find(tag).map_or(sql.len(), |end| body + end + tag.len());
                    word(end, WordKind::Literal)
                }
                None => word(start + 1, WordKind::Punctuation),
            }
        }
        byte if part_of_name(*byte) => {
            let rest = &bytes[start..];
            let length = rest.iter().position(|byte| !part_of_name(*byte) && *byte != b'$').unwrap_or(rest.len());
            word(start + length, WordKind::Plain)
        }
        _ => word(start + 1, WordKind::Punctuation),
    }
}

fn closing(bytes: &[u8], mut at: usize, quote: u8, backslash: bool) -> usize {
    while let Some(byte) = bytes.get(at) {
        if *byte == quote {
            if bytes.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 1;
        } else if *byte == b'\\' && backslash {
            at += 1;
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        let words = Words::new(sql, usize::MAX);
        (0..words.len()).map(|index| words.text(index)).collect()
    }

    #[test]
    fn comments_strings_and_names_are_single_words() {
        assert_eq!(
            texts("/* a /* b */ */ CREATE -- c\n USER \"a \"\"b\" E'it\\'s' 'x''y' $q$ $ ; $q$ é1(2)"),
            ["CREATE", "USER", "\"a \"\"b\"", "E'it\\'s'", "'x''y'", "$q$ $ ; $q$", "é1", "(", "2", ")"]
        );
        assert_eq!(texts("'never closed"), ["'never closed"]);
    }

    #[test]
    fn keywords_inside_parentheses_and_quotes_are_not_found() {
        let words = Words::new("CREATE TABLE \"options\" (options int) OPTIONS (x 'y')", usize::MAX);
        assert_eq!(words.find(0, "options").map(|index| words.span(index).expect("span").start), Some(37));
        assert_eq!(words.name(2).as_deref(), Some("options"));
        assert!(words.start_with("create table"));
    }
}
