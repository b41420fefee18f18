//! Expressions as EXPLAIN deparses them: values masked, and a form that survives changes of type.

use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A string, bit string or number.
    Literal,
    /// A word, quoted or not.
    Word,
    /// White space.
    Space,
    /// `::`
    Cast,
    /// One other character, or a parameter such as `$1`.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
}

/// The expression with every string and number replaced by `?`.
pub fn mask(expression: &str) -> String {
    tokens(expression).iter().map(|token| if token.kind == Kind::Literal { "?" } else { token.text }).collect()
}

/// The expression without values, casts and the parentheses around single columns, aliases replaced: equal before and
/// after a change of a column's type that alters nothing else.
pub fn normalise(expression: &str, aliases: &BTreeMap<String, String>) -> String {
    let mut words: Vec<String> = Vec::new();
    let all = tokens(expression);
    let mut at = 0;
    while at < all.len() {
        let token = all[at];
        at += 1;
        match token.kind {
            Kind::Cast => at = after_type(&all, at),
            Kind::Literal => words.push("?".to_owned()),
            Kind::Space => words.push(" ".to_owned()),
            Kind::Word => {
                let qualifies = all.get(at).is_some_and(|next| next.text == ".");
                let renamed = if qualifies { aliases.get(token.text) } else { None };
                words.push(renamed.cloned().unwrap_or_else(|| token.text.to_owned()));
            }
            Kind::Other => words.push(token.text.to_owned()),
        }
        if words.last().is_some_and(|word| word == ")") {
            unwrap_single(&mut words);
        }
    }
    words.concat()
}

/// The parts of a conjunction, each [`normalise`]d, in one fixed order.
pub fn conjuncts(expression: &str, aliases: &BTreeMap<String, String>) -> Vec<String> {
    let normal = normalise(expression, aliases);
    let mut inner = normal.as_str();
    while let Some(stripped) = strip_enclosing(inner) {
        inner = stripped;
    }
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    let mut offset = 0;
    for token in tokens(inner) {
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "AND" if depth == 0 => {
                parts.push(inner[start..offset].trim().to_owned());
                start = offset + token.text.len();
            }
            _ => {}
        }
        offset += token.text.len();
    }
    parts.push(inner[start..].trim().to_owned());
    parts.sort();
    parts
}

/// `(a AND b)` without its parentheses, if the first one closes at the end.
fn strip_enclosing(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('(')?.strip_suffix(')')?;
    let mut depth = 0_i32;
    for token in tokens(inner) {
        match token.text {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    Some(inner)
}

/// Turns a trailing `(column)` or `(?)` into its content, unless a function's name stands before it.
fn unwrap_single(words: &mut Vec<String>) {
    let Some(open) = words.iter().rposition(|word| word == "(") else { return };
    let is_call = open > 0 && words[open - 1].starts_with(|c: char| is_word(c) || c == '"');
    let single = |word: &String| word == "." || word == "?" || word.starts_with(|c: char| is_word(c) || c == '"');
    if !is_call && words.len() > open + 2 && words[open + 1..words.len() - 1].iter().all(single) {
        words.pop();
        words.remove(open);
    }
}

/// The position behind a type name such as `timestamp(3) without time zone[]`.
fn after_type(all: &[Token<'_>], start: usize) -> usize {
    const LATER_WORDS: [&str; 6] = ["varying", "precision", "with", "without", "time", "zone"];
    let text = |at: usize| all.get(at).map_or("", |token| token.text);
    let mut at = start + 1;
    while text(at) == "." {
        at += 2;
    }
    loop {
        if text(at) == " " && LATER_WORDS.contains(&text(at + 1)) {
            at += 2;
        } else if text(at) == "(" && all.get(at + 1).is_some_and(|token| token.kind == Kind::Literal) {
            while at < all.len() && text(at) != ")" {
                at += 1;
            }
            at += 1;
        } else if text(at) == "[" && text(at + 1) == "]" {
            at += 2;
        } else {
            return at.min(all.len());
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn tokens(expression: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let (kind, length) = next_token(rest, first);
        let (text, remaining) = rest.split_at(length);
        found.push(Token { kind, text });
        rest = remaining;
    }
    found
}

fn next_token(rest: &str, first: char) -> (Kind, usize) {
    let run = |wanted: &dyn Fn(char) -> bool| rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    match first {
        '\'' => (Kind::Literal, quoted_length(rest, '\'', false)),
        '"' => (Kind::Word, quoted_length(rest, '"', false)),
        'E' | 'B' | 'X' if rest[1..].starts_with('\'') => {
            (Kind::Literal, 1 + quoted_length(&rest[1..], '\'', first == 'E'))
        }
        '$' => (Kind::Other, 1 + rest[1..].find(|c: char| !is_word(c)).unwrap_or(rest.len() - 1)),
        _ if first.is_ascii_digit() => (Kind::Literal, number_length(rest)),
        _ if is_word(first) => (Kind::Word, run(&|c| is_word(c) || c == '$')),
        _ if first.is_whitespace() => (Kind::Space, run(&char::is_whitespace)),
        ':' if rest.starts_with("::") => (Kind::Cast, 2),
        _ => (Kind::Other, first.len_utf8()),
    }
}

/// Bytes of `1`, `1.5` or `1e+20`.
fn number_length(rest: &str) -> usize {
    let mut previous = '0';
    for (at, c) in rest.char_indices() {
        let sign = (c == '+' || c == '-') && (previous == 'e' || previous == 'E');
        if !(is_word(c) || c == '.' || sign) {
            return at;
        }
        previous = c;
    }
    rest.len()
}

/// Bytes of a quoted text with its quotes; all that is left when it never closes.
fn quoted_length(rest: &str, quote: char, backslashes: bool) -> usize {
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == '\\' && backslashes {
            characters.next();
        } else if c == quote {
            if characters.peek().is_some_and(|(_, next)| *next == quote) {
                characters.next();
            } else {
                return at + 1;
            }
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masking_hides_every_literal_and_nothing_else() {
        for (given, masked) in [
            ("(o.customer_id = 777)", "(o.customer_id = ?)"),
            ("(o1.col_2 > '-5'::integer)", "(o1.col_2 > ?::integer)"),
            ("(a = 'it''s -- (open'::text)", "(a = ?::text)"),
            (r"(a = E'back\\slash\'s'::text)", "(a = ?::text)"),
            ("(a = ANY ('{1,2,3}'::integer[]))", "(a = ANY (?::integer[]))"),
            ("(x = $1) AND (y = 1.5e+20)", "(x = $1) AND (y = ?)"),
            ("(\"it's 5\" = B'101'::\"bit\")", "(\"it's 5\" = ?::\"bit\")"),
            ("(straße = 'ü')", "(straße = ?)"),
            ("(a = 'never closed", "(a = ?"),
        ] {
            assert_eq!(mask(given), masked);
        }
    }

    #[test]
    fn a_change_of_type_leaves_the_normal_form_alone() {
        let aliases = BTreeMap::new();
        for (before, after) in [
            ("(o.customer_id = 777)", "(o.customer_id = '777'::bigint)"),
            ("(o.email = 'x'::text)", "((o.email)::text = 'x'::text)"),
            ("(o.at > '2024-01-01'::date)", "(o.at > '2024-01-01 00:00:00'::timestamp(3) without time zone)"),
            ("(o.k = ANY ('{a}'::text[]))", "((o.k)::character varying(20) = ANY ('{a}'::character varying[]))"),
        ] {
            assert_eq!(normalise(before, &aliases), normalise(after, &aliases));
        }
        assert_ne!(normalise("(lower(a) = 'x')", &aliases), normalise("(a = 'x')", &aliases));
    }

    #[test]
    fn conjunctions_are_split_at_the_top_only_and_ordered() {
        let aliases = BTreeMap::from([("e_1".to_owned(), "e".to_owned())]);
        assert_eq!(
            conjuncts("((e_1.b = 2) AND ((e_1.a = 1) OR ((e_1.c = 3) AND (e_1.d = 4))))", &aliases),
            ["((e.a = ?) OR ((e.c = ?) AND (e.d = ?)))", "(e.b = ?)"]
        );
        assert_eq!(conjuncts("(e_1.b = 'x AND y')", &aliases), ["e.b = ?"]);
        assert_eq!(conjuncts("((a = 1) OR (b = 2))", &aliases), ["(a = ?) OR (b = ?)"]);
    }
}
