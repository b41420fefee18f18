//! Expressions as EXPLAIN deparses them: values masked, and a form that survives changes of type.

use super::quote_identifier_if_needed;
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

/// What qualified names in the expressions of one plan stand for. Names are unquoted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Renaming {
    /// What an alias counts as.
    pub aliases: BTreeMap<String, String>,
    /// By alias: what its columns were called, by what they are called.
    pub columns: BTreeMap<String, BTreeMap<String, String>>,
}

/// The expression without values, casts and the parentheses they bring, names replaced: equal before and after a
/// change of a column's type or name that alters nothing else. For comparing, not for showing.
pub fn normalise(expression: &str, names: &Renaming) -> String {
    let mut words: Vec<String> = Vec::new();
    let all = tokens(expression);
    let mut at = 0;
    while at < all.len() {
        let token = all[at];
        at += 1;
        match token.kind {
            Kind::Cast => at = after_type(&all, at),
            Kind::Literal => words.push("?".to_owned()),
            // Which number a parameter of an InitPlan or of a join has depends on what else was planned.
            Kind::Other if token.text.starts_with('$') => words.push("$".to_owned()),
            Kind::Space => words.push(" ".to_owned()),
            Kind::Word if all.get(at).is_some_and(|next| next.text == ".") => {
                let alias = unquoted(token.text);
                words.push(names.aliases.get(&alias).cloned().unwrap_or_else(|| token.text.to_owned()));
                if let Some(column) = all.get(at + 1).filter(|next| next.kind == Kind::Word) {
                    let known = names.columns.get(&alias).and_then(|columns| columns.get(&unquoted(column.text)));
                    let column = known.map_or_else(|| column.text.to_owned(), |was| quote_identifier_if_needed(was));
                    words.extend([".".to_owned(), column]);
                    at += 2;
                }
            }
            Kind::Word | Kind::Other => words.push(token.text.to_owned()),
        }
        if words.last().is_some_and(|word| word == ")") {
            unwrap_single(&mut words);
        }
    }
    words.concat()
}

/// The text behind `USING` of a `CREATE INDEX`, its table's columns under their former names, without the casts that
/// come and go as a column turns from `text` to `varchar`. Values and all other casts stay: they make another index.
pub fn normalise_definition(definition: &str, columns: &BTreeMap<String, String>) -> String {
    let mut words: Vec<String> = Vec::new();
    let all = tokens(definition);
    let mut at = 0;
    while at < all.len() {
        let token = all[at];
        at += 1;
        match token.kind {
            Kind::Cast => {
                let after = after_type(&all, at);
                let name: String = all[at..after].iter().map(|token| token.text).collect();
                if !(name.starts_with("text") || name.starts_with("character varying")) {
                    words.push(format!("::{name}"));
                }
                at = after;
            }
            Kind::Word => match columns.get(&unquoted(token.text)) {
                Some(was) => words.push(quote_identifier_if_needed(was)),
                None => words.push(token.text.to_owned()),
            },
            _ => words.push(token.text.to_owned()),
        }
        // The outermost parentheses hold the keys, also of an index with one key.
        if words.last().is_some_and(|word| word == ")") && words.iter().filter(|word| *word == "(").count() > 1 {
            unwrap_single(&mut words);
        }
    }
    words.concat()
}

/// The parts of a conjunction, each [`normalise`]d, in one fixed order.
pub fn conjuncts(expression: &str, names: &Renaming) -> Vec<String> {
    let normal = normalise(expression, names);
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

/// Turns a trailing `(column)`, `(?)`, `($)` or `((anything))` into its content, unless a function's name stands
/// before it: parentheses that were only there for a cast.
fn unwrap_single(words: &mut Vec<String>) {
    let Some(open) = opening(words) else { return };
    let is_call = open > 0 && words[open - 1].starts_with(|c: char| is_word(c) || c == '"');
    let inner = &words[open + 1..words.len() - 1];
    let simple = |word: &String| {
        matches!(word.as_str(), "." | "?" | "$") || word.starts_with(|c: char| is_word(c) || c == '"' || c == '\'')
    };
    let wrapped = inner.first().is_some_and(|word| word == "(") && opening(inner) == Some(0);
    if !is_call && !inner.is_empty() && (wrapped || inner.iter().all(simple)) {
        words.pop();
        words.remove(open);
    }
}

/// The position of the parenthesis that the last word closes; `None` when the last word closes none.
fn opening(words: &[String]) -> Option<usize> {
    if words.last().is_none_or(|word| word != ")") {
        return None;
    }
    let mut depth = 0_usize;
    words.iter().rposition(|word| {
        match word.as_str() {
            ")" => depth += 1,
            "(" => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

/// An identifier as the catalog has it.
fn unquoted(word: &str) -> String {
    match word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => word.to_owned(),
    }
}

/// The position behind a type name such as `timestamp(3) without time zone[]`.
fn after_type(all: &[Token<'_>], start: usize) -> usize {
    const LATER_WORDS: [&str; 13] = [
        "varying",
        "precision",
        "with",
        "without",
        "time",
        "zone",
        "year",
        "month",
        "day",
        "hour",
        "minute",
        "second",
        "to",
    ];
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
        let names = Renaming::default();
        for (before, after) in [
            ("(o.customer_id = 777)", "(o.customer_id = '777'::bigint)"),
            ("(o.customer_id = '-5'::integer)", "(o.customer_id = '-5'::numeric)"),
            ("(o.customer_id = $1)", "((o.customer_id)::numeric = ($1)::numeric)"),
            ("(o.customer_id = ANY ('{1,2}'::integer[]))", "(o.customer_id = ANY ('{1,2}'::bigint[]))"),
            ("(o.email = 'x'::text)", "((o.email)::text = 'x'::text)"),
            ("(o.email = ANY (ARRAY[$1, $2]))", "((o.email)::text = ANY (ARRAY[($1)::text, ($2)::text]))"),
            ("(lower(o.email) = 'x'::text)", "(lower((o.email)::text) = 'x'::text)"),
            ("((o.a + 1) = o.b)", "(((o.a + 1))::bigint = o.b)"),
            ("(abs((o.a + 1)) = o.b)", "(abs(((o.a + 1))::bigint) = o.b)"),
            ("(o.at > '2024-01-01'::date)", "(o.at > '2024-01-01 00:00:00'::timestamp(3) without time zone)"),
            ("(o.k = ANY ('{a}'::text[]))", "((o.k)::character varying(20) = ANY ('{a}'::character varying[]))"),
            ("(o.i > '1 day'::interval)", "(o.i > '1 day'::interval day to second(3))"),
            ("(o.mood = 'sad'::public.mood)", "((o.mood)::text = 'sad'::text)"),
            ("(o.code = 'x'::bpchar)", "((o.code)::text = 'x'::text)"),
        ] {
            assert_eq!(normalise(before, &names), normalise(after, &names), "{before} {after}");
        }
        for (one, other) in [
            ("(lower(a) = 'x')", "(a = 'x')"),
            ("((a + b) * c)", "(a + (b * c))"),
            ("((a = 1) AND (b = 2))", "((a = 1) OR (b = 2))"),
        ] {
            assert_ne!(normalise(one, &names), normalise(other, &names));
        }
    }

    #[test]
    fn renamed_aliases_and_columns_count_under_their_former_names() {
        let mut names = Renaming::default();
        names.aliases.insert("New".to_owned(), "orders".to_owned());
        names.columns.insert("New".to_owned(), BTreeMap::from([("client".to_owned(), "Customer".to_owned())]));
        let before = "((orders.\"Customer\" = 5) AND (c.client = orders.id))";
        let after = "((\"New\".client = '5'::bigint) AND (c.client = \"New\".id))";
        assert_eq!(normalise(before, &Renaming::default()), normalise(after, &names));
        assert_ne!(normalise(before, &Renaming::default()), normalise(after, &Renaming::default()));
    }

    #[test]
    fn an_index_definition_survives_renames_and_varchar_and_nothing_else() {
        let renamed = BTreeMap::from([("state".to_owned(), "status".to_owned())]);
        let plain = BTreeMap::new();
        let was = "btree (status, lower(note)) WHERE (status = 'open'::text)";
        let now = "btree (state, lower((note)::text)) WHERE ((state)::text = 'open'::text)";
        assert_eq!(normalise_definition(was, &plain), normalise_definition(now, &renamed));
        for other in [
            "btree (status, lower(note)) WHERE (status = 'paid'::text)",
            "btree (status DESC, lower(note)) WHERE (status = 'open'::text)",
            "btree (status, upper(note)) WHERE (status = 'open'::text)",
        ] {
            assert_ne!(normalise_definition(was, &plain), normalise_definition(other, &plain));
        }
        assert_ne!(normalise_definition("btree (((at)::date))", &plain), normalise_definition("btree (at)", &plain));
        assert_eq!(normalise_definition("btree (a)", &plain), "btree (a)");
        assert_eq!(
            normalise_definition("btree (a) WHERE (status = 'x'::text)", &plain),
            normalise_definition("btree (a) WHERE ((status)::text = ('x'::character varying)::text)", &plain)
        );
    }

    #[test]
    fn conjunctions_are_split_at_the_top_only_and_ordered() {
        let aliases = BTreeMap::from([("e_1".to_owned(), "e".to_owned())]);
        let names = Renaming { aliases, columns: BTreeMap::new() };
        assert_eq!(
            conjuncts("((e_1.b = 2) AND ((e_1.a = 1) OR ((e_1.c = 3) AND (e_1.d = 4))))", &names),
            ["((e.a = ?) OR ((e.c = ?) AND (e.d = ?)))", "(e.b = ?)"]
        );
        assert_eq!(conjuncts("(e_1.b = 'x AND y')", &names), ["e.b = ?"]);
        assert_eq!(conjuncts("((a = 1) OR (b = 2))", &names), ["(a = ?) OR (b = ?)"]);
    }
}
