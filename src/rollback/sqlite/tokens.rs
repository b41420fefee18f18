//! SQL as SQLite reads it, as far as texts are compared and the tables of a statement are found. `"x"`, `` `x` ``, `[x]`
//! and `x` are one name, in any case.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword, or a name without quotes.
    Word,
    /// A name in quotes of any kind.
    Quoted,
    /// `'…'`
    Text,
    /// A number, an operator, a parenthesis.
    Other,
}

/// One token that matters: spaces and comments do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: Kind,
    /// A word as written, a quoted name without its quotes, anything else as it stands.
    pub text: String,
    /// Parentheses open around it; a parenthesis has the depth it stands at.
    pub depth: usize,
}

impl Token {
    /// Whether it is this keyword.
    pub fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Whether it is this operator or parenthesis.
    pub fn is_mark(&self, mark: &str) -> bool {
        self.kind == Kind::Other && self.text == mark
    }

    /// The name it may be.
    pub fn name(&self) -> Option<&str> {
        matches!(self.kind, Kind::Word | Kind::Quoted).then_some(self.text.as_str())
    }

    fn normal(&self) -> (bool, String) {
        match self.kind {
            Kind::Word | Kind::Quoted => (true, self.text.to_ascii_lowercase()),
            Kind::Text | Kind::Other => (false, self.text.clone()),
        }
    }
}

fn in_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == '$' || !letter.is_ascii()
}

/// The tokens of a text. What never ends goes to the end of it.
pub(super) fn tokens(sql: &str) -> Vec<Token> {
    let (mut found, mut rest, mut depth) = (Vec::new(), sql, 0usize);
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = rest.trim_start();
            continue;
        }
        let skipped = if rest.starts_with("--") {
            Some(rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            Some(rest.find("*/").map_or(rest.len(), |end| end + 2))
        } else {
            None
        };
        if let Some(end) = skipped {
            rest = &rest[end..];
            continue;
        }
        let (kind, text, length) = match first {
            '\'' | '"' | '`' => {
                let end = closing(rest, first);
                let inside = rest[1..end].strip_suffix(first).unwrap_or(&rest[1..end]);
                match first {
                    '\'' => (Kind::Text, rest[..end].to_owned(), end),
                    _ => (Kind::Quoted, inside.replace(&format!("{first}{first}"), &first.to_string()), end),
                }
            }
            '[' => {
                let end = rest.find(']').map_or(rest.len(), |at| at + 1);
                let inside = &rest[1..end];
                (Kind::Quoted, inside.strip_suffix(']').unwrap_or(inside).to_owned(), end)
            }
            letter if in_name(letter) => {
                let end = rest.find(|letter| !in_name(letter)).unwrap_or(rest.len());
                let kind = if letter.is_ascii_digit() { Kind::Other } else { Kind::Word };
                (kind, rest[..end].to_owned(), end)
            }
            other => (Kind::Other, other.to_string(), other.len_utf8()),
        };
        let (opens, closes) = (kind == Kind::Other && text == "(", kind == Kind::Other && text == ")");
        depth = depth.saturating_sub(usize::from(closes));
        found.push(Token { kind, text, depth });
        depth += usize::from(opens);
        rest = &rest[length..];
    }
    found
}

/// The byte behind the quote that ends what `text` begins with; a doubled one is part of it.
fn closing(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(next) = text[at..].find(quote) {
        at += next + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// Whether two texts of a schema say the same: spaces, comments, case and the quoting of names do not matter.
pub(super) fn same_text(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    let normal = |sql: &str| {
        let mut all: Vec<(bool, String)> = tokens(sql).iter().map(Token::normal).collect();
        while all.last().is_some_and(|(name, text)| !name && text == ";") {
            all.pop();
        }
        all
    };
    normal(left) == normal(right)
}

/// Whether a text names this.
pub(super) fn mentions(sql: &str, name: &str) -> bool {
    tokens(sql).iter().any(|token| token.name().is_some_and(|found| found.eq_ignore_ascii_case(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_case_spaces_and_comments_make_no_difference_and_everything_else_does() {
        let text = "CREATE TABLE orders (id INTEGER, \"a\"\"b\" TEXT DEFAULT 'It''s')";
        for same in [
            "create table \"orders\"(id integer,[a\"b] TEXT -- why\n default 'It''s');",
            "CREATE TABLE `ORDERS` (id INTEGER, \"A\"\"b\" /* x */ TEXT DEFAULT 'It''s')",
        ] {
            assert!(same_text(text, same), "{same}");
        }
        for other in [
            "CREATE TABLE orders (id INTEGER, \"a\"\"b\" TEXT DEFAULT 'it''s')",
            "CREATE TABLE orders (id INTEGER, 'a\"b' TEXT DEFAULT 'It''s')",
            "CREATE TABLE orders (id INTEGER, \"a\"\"b\" TEXT DEFAULT 'It''s') STRICT",
        ] {
            assert!(!same_text(text, other), "{other}");
        }
    }

    #[test]
    fn names_are_found_outside_strings_alone() {
        assert!(mentions("SELECT * FROM [Straße] JOIN main.\"two words\"", "straße"));
        assert!(mentions("SELECT 1 FROM \"two words\"", "Two Words"));
        assert!(!mentions("SELECT 'orders' -- orders", "orders"));
    }

    #[test]
    fn nothing_that_never_ends_breaks_it() {
        for open in ["'a", "\"a", "[a", "`a", "/* a", "-- a", "'", "\"", "[", "a''", "(('x", "\"a\"\""] {
            tokens(open);
        }
    }
}
