//! The comment lines above a query: its name, and what is known about it.

use super::spelling::nearest;
use crate::migration::script::lexer::{Token, TokenKind};
use crate::workload::parameter::{Dialect, Expansion};
use crate::workload::{Gates, Limits};

/// What a header says, before it is compared with the statement below it.
#[derive(Debug, Default)]
pub(super) struct Header {
    pub name: String,
    pub owner: Option<String>,
    pub expect: Option<String>,
    pub weight: Option<f64>,
    pub gates: Gates,
    pub limits: Limits,
    pub role: Option<String>,
    pub search_path: Option<String>,
    pub settings: Vec<(String, String)>,
    /// Name, assignments and place of each parameter set.
    pub sets: Vec<(String, String, usize)>,
    /// Assignments of types to parameters, and their place.
    pub types: Option<(String, usize)>,
    /// How parameters are written below it.
    pub dialect: Dialect,
    /// Why there is nothing to plan, where the header itself says so.
    pub unplannable: Option<String>,
    /// Where the name stands.
    pub offset: usize,
}

const NAME: &str = "name";
const PARAMS: &str = "params";
const KEYS: [&str; 18] = [
    NAME,
    "owner",
    "expect",
    "weight",
    "max_buffers",
    "max_steps",
    "must_use_index",
    "no_seq_scan_over",
    "plan_ratio",
    "plan_blocks",
    "plan_steps",
    "query_ms",
    "role",
    "set",
    "search_path",
    "types",
    // What an import wrote last, see [`crate::workload::import`].
    "imported",
    PARAMS,
];

/// What one comment line is.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    /// For people only.
    Words,
    /// `name: x`
    Name(&'a str),
    /// The same in the words of another tool.
    NameOf(Convention, &'a str),
    /// PgTyped's `@param ages -> (...)`: what is behind `@param`.
    Expansion(&'a str),
    /// `key: value`, or `params set: value`.
    Entry { key: &'static str, set: &'a str, value: &'a str },
}

/// Tools whose files are told by how a name is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Convention {
    /// `:name get-users :? :*`
    Hugsql,
    /// `:snip`: a part of other queries.
    HugsqlSnippet,
    /// `! get_users (name?) : (age?)`
    Clorinde,
    /// `@name GetUsers`
    PgTyped,
}

/// The lines of a comment, without what marks them as comment, and the byte where each begins.
pub(super) fn lines<'a>(text: &'a str, token: &Token) -> Vec<(usize, &'a str)> {
    let comment = &text[token.span.clone()];
    let (inside, end) = match token.kind {
        TokenKind::BlockComment => (comment.trim_start_matches("/*"), "*/"),
        _ => (comment.trim_start_matches('-'), ""),
    };
    let mut at = token.span.start + (comment.len() - inside.len());
    let body = if end.is_empty() { inside } else { inside.trim_end_matches(end) };
    let mut lines = Vec::new();
    for line in body.split_inclusive('\n') {
        let said = line.trim().trim_start_matches('*').trim();
        // PgTyped may say all of it on one line.
        let parts: Vec<&str> = if said.starts_with("@name ") { said.split(" @param ").collect() } else { vec![said] };
        lines.push((at, parts[0].trim()));
        lines.extend(parts[1..].iter().map(|part| (at, &said[part.as_ptr() as usize - said.as_ptr() as usize - 7..])));
        at += line.len();
    }
    lines
}

/// Reads one comment line.
///
/// # Errors
/// A line that was surely meant to be another, for people.
pub(super) fn line(text: &str) -> Result<Line<'_>, String> {
    const NAMES: [(&str, Convention); 5] = [
        (":name ", Convention::Hugsql),
        (":name- ", Convention::Hugsql),
        (":snip ", Convention::HugsqlSnippet),
        ("! ", Convention::Clorinde),
        ("@name ", Convention::PgTyped),
    ];
    if let Some((name, convention)) =
        NAMES.iter().find_map(|(sign, convention)| Some((text.strip_prefix(sign)?, *convention)))
    {
        return Ok(Line::NameOf(convention, name));
    }
    if let Some(rest) = text.strip_prefix("@param ").filter(|rest| rest.contains("->")) {
        return Ok(Line::Expansion(rest));
    }
    let Some((left, value)) = text.split_once(':') else { return Ok(Line::Words) };
    let (value, mut words) = (value.trim(), left.split_whitespace());
    let (key, set, more) = (words.next().unwrap_or_default(), words.next(), words.next().is_some());
    match (KEYS.into_iter().find(|known| *known == key), set) {
        (Some(NAME), None) => Ok(Line::Name(value)),
        (Some(NAME), Some(name)) if !more => Err(format!("a colon is missing: write `-- name: {name}`")),
        (Some(PARAMS), None) => Err(format!("a set of parameters needs a name: write `-- params typical: {value}`")),
        (Some(PARAMS), Some(_)) if more => Err("the name of a set of parameters is one word".to_owned()),
        (Some(PARAMS), Some(set)) => Ok(Line::Entry { key: PARAMS, set, value }),
        (Some(key), None) if value.is_empty() => Err(format!("`{key}:` says nothing: give it a value or take it out")),
        (Some(key), None) => Ok(Line::Entry { key, set: "", value }),
        (Some(_), Some(_)) => Ok(Line::Words),
        (None, set) => match nearest(key, KEYS) {
            // Two words before a colon are prose, unless they may be a set of parameters.
            Some(meant) if !more && (set.is_none() || meant == PARAMS) => Err(format!(
                "`{key}:` is no header line: did you mean `{meant}:`? (For a comment, leave out the colon.)"
            )),
            _ => Ok(Line::Words),
        },
    }
}

impl Header {
    /// Begins with the value of a `name:` line, in the spelling of sqlc (`GetUser :one`) or aiosql (`get-user^`).
    ///
    /// # Errors
    /// There is no name, or more than one word.
    pub fn named(value: &str, offset: usize) -> Result<Self, String> {
        let (mut name, mut rest) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
        // aiosql may list the parameters behind the name.
        if let Some((before, _)) = value.split_once('(') {
            (name, rest) = (before.trim(), "");
        }
        let name = ["<!", "*!", "^", "$", "!", "#"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        let is_word = |character: char| character.is_alphanumeric() || "_-.".contains(character);
        if name.is_empty() || !name.chars().all(is_word) {
            return Err(format!("`{value}` is no name: write one word, as in `-- name: get-users`"));
        }
        let rest = rest.trim();
        if !rest.is_empty() && !rest.starts_with(':') {
            return Err(format!("a name is one word, and `{rest}` follows it: write `-- name: {name}`"));
        }
        Ok(Self { name: name.to_owned(), offset, ..Self::default() })
    }

    /// Begins with a name as another tool writes it.
    ///
    /// # Errors
    /// As [`Header::named`].
    pub fn of(convention: Convention, value: &str, offset: usize) -> Result<Self, String> {
        match convention {
            Convention::Clorinde => {
                let end = value.find(|c: char| c.is_whitespace() || "(:".contains(c)).unwrap_or(value.len());
                Self::named(&value[..end], offset)
            }
            Convention::PgTyped => {
                let dialect = Dialect { pgtyped: true, ..Dialect::default() };
                Ok(Self { dialect, ..Self::named(value, offset)? })
            }
            Convention::Hugsql | Convention::HugsqlSnippet => {
                let header = Self::named(value, offset)?;
                let snippet = convention == Convention::HugsqlSnippet;
                let unplannable = snippet
                    .then(|| format!("{} is a snippet: it has a plan only in the query that takes it up", header.name));
                Ok(Self { dialect: Dialect { hugsql: true, ..Dialect::default() }, unplannable, ..header })
            }
        }
    }

    /// Adds PgTyped's `ages -> (...)`.
    ///
    /// # Errors
    /// An expansion that cannot be read.
    pub fn expand(&mut self, text: &str) -> Result<(), String> {
        let (name, shape) = text.split_once("->").unwrap_or((text, ""));
        let expansion = Expansion::parse(shape.trim())
            .ok_or_else(|| format!("`{}` is no expansion: write (...), (a, b) or ((a, b)...)", shape.trim()))?;
        self.dialect.expansions.push((name.trim().to_owned(), expansion));
        Ok(())
    }

    /// Adds one line below the name.
    ///
    /// # Errors
    /// A value that cannot be read, or a second one.
    pub fn add(&mut self, key: &'static str, set: &str, value: &str, offset: usize) -> Result<(), String> {
        let text = value.to_owned();
        let is_second = match key {
            "owner" => self.owner.replace(text).is_some(),
            "expect" => self.expect.replace(text).is_some(),
            "role" => self.role.replace(text).is_some(),
            "search_path" => self.search_path.replace(text).is_some(),
            "weight" => {
                let weight: Option<f64> = value.parse().ok().filter(|weight: &f64| weight.is_finite() && *weight > 0.0);
                let weight =
                    weight.ok_or_else(|| format!("`{value}` is no weight: write calls a minute, as in 120"))?;
                self.weight.replace(weight).is_some()
            }
            "max_buffers" => self.gates.max_buffers.replace(whole(value, "blocks", "500")?).is_some(),
            "max_steps" => self.gates.max_steps.replace(whole(value, "VM steps", "50000")?).is_some(),
            "must_use_index" => {
                let is_second = !self.gates.must_use_index.is_empty();
                self.gates.must_use_index = names(value)?;
                is_second
            }
            "no_seq_scan_over" => self.gates.no_seq_scan_over.replace(whole(value, "rows", "10000")?).is_some(),
            "plan_ratio" => {
                let ratio: Option<f64> = value.parse().ok().filter(|ratio: &f64| ratio.is_finite() && *ratio >= 1.0);
                let ratio = ratio.ok_or_else(|| format!("`{value}` is no ratio: write 1 or more, as in 1.5"))?;
                self.limits.plan_ratio.replace(ratio).is_some()
            }
            "plan_blocks" => self.limits.plan_blocks.replace(whole(value, "blocks", "100")?).is_some(),
            "plan_steps" => self.limits.plan_steps.replace(whole(value, "VM steps", "50000")?).is_some(),
            "query_ms" => self.limits.query_ms.replace(whole(value, "milliseconds", "5000")?).is_some(),
            "set" => {
                let (name, value) = setting(value)?;
                let is_second = self.settings.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name));
                self.settings.push((name, value));
                is_second
            }
            "types" => self.types.replace((text, offset)).is_some(),
            "imported" => false,
            _ => {
                let is_second = self.sets.iter().any(|(known, _, _)| known == set);
                self.sets.push((set.to_owned(), text, offset));
                is_second
            }
        };
        let what = if set.is_empty() { key.to_owned() } else { format!("{key} {set}") };
        if is_second { Err(format!("`{what}:` is given twice for {}: keep one", self.name)) } else { Ok(()) }
    }
}

/// A whole number of something.
fn whole(text: &str, of: &str, example: &str) -> Result<u64, String> {
    text.replace('_', "").parse().map_err(|_| format!("`{text}` is no number of {of}: write it as in {example}"))
}

/// Names between commas, as SQL spells them: `orders_idx`, `sales."Odd idx"`.
fn names(text: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    match names.iter().any(String::is_empty) {
        true => Err(format!("`{text}` is no list of indexes: write names with commas between them")),
        false => Ok(names),
    }
}

/// `work_mem = 8MB` or `work_mem TO 8MB`.
fn setting(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').or_else(|| {
        let (name, rest) = text.split_once(char::is_whitespace)?;
        let (to, value) = rest.trim_start().split_once(char::is_whitespace)?;
        to.eq_ignore_ascii_case("to").then_some((name, value))
    });
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|character| character.is_ascii_alphanumeric() || "_.".contains(character))
    };
    match parts.map(|(name, value)| (name.trim(), value.trim())) {
        Some((name, value)) if is_name(name) && !value.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is no setting: write name = value, as in `-- set: work_mem = 8MB`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_what_tells_how_they_are_called() {
        for (value, name) in [
            ("GetUser :one", "GetUser"),
            ("get-users", "get-users"),
            ("get-user^", "get-user"),
            ("new_user<!", "new_user"),
            ("bulk*!", "bulk"),
            ("count$", "count"),
            ("script#", "script"),
            ("orders.by_day(customer_id, day)^", "orders.by_day"),
        ] {
            assert_eq!(Header::named(value, 0).expect("a name").name, name);
        }
        for value in ["", "two words", "a/b", ":many"] {
            assert!(Header::named(value, 0).is_err(), "{value}");
        }
    }

    #[test]
    fn lines_are_told_apart() {
        assert_eq!(line("name: x :many"), Ok(Line::Name("x :many")));
        assert_eq!(line(":name x :one"), Ok(Line::NameOf(Convention::Hugsql, "x :one")));
        assert_eq!(line("! x (a?) : (b?)"), Ok(Line::NameOf(Convention::Clorinde, "x (a?) : (b?)")));
        assert_eq!(line("@name x"), Ok(Line::NameOf(Convention::PgTyped, "x")));
        assert_eq!(line("@param ids -> (...)"), Ok(Line::Expansion("ids -> (...)")));
        assert_eq!(line("@param ids all of them"), Ok(Line::Words));
        assert_eq!(line("set: a = 'b:c'"), Ok(Line::Entry { key: "set", set: "", value: "a = 'b:c'" }));
        assert_eq!(line("params big: id = 1"), Ok(Line::Entry { key: "params", set: "big", value: "id = 1" }));
        for prose in ["Returns the owner of it", "TODO: faster", "see https://x.org", "the owner is: Ada", ""] {
            assert_eq!(line(prose), Ok(Line::Words), "{prose}");
        }
    }

    #[test]
    fn near_misses_are_errors_with_what_was_meant() {
        for (text, meant) in [
            ("ower: x", "`owner:`"),
            ("Name: x", "`name:`"),
            ("param big: id = 1", "`params:`"),
            ("max-buffers: 3", "`max_buffers:`"),
            ("name GetUser :one", "`-- name: GetUser`"),
            ("params: id = 1", "`-- params typical: id = 1`"),
            ("params big customer: id = 1", "one word"),
            ("owner:", "says nothing"),
        ] {
            let error = line(text).expect_err(text);
            assert!(error.contains(meant), "{error}");
        }
    }

    #[test]
    fn values_are_read_or_refused() {
        let mut header = Header::named("q", 0).expect("a name");
        for (key, value) in [("weight", "1.5"), ("max_buffers", "500"), ("set", "jit TO off"), ("set", "a.b='c=d'")] {
            header.add(key, "", value, 0).expect(value);
        }
        assert_eq!((header.weight, header.gates.max_buffers), (Some(1.5), Some(500)));
        assert_eq!(header.settings, [("jit".into(), "off".into()), ("a.b".into(), "'c=d'".into())]);
        for (key, value) in [
            ("weight", "0"),
            ("weight", "inf"),
            ("weight", "often"),
            ("max_buffers", "-1"),
            ("set", "work_mem"),
            ("set", "= 3"),
            ("set", "JIT = on"),
        ] {
            assert!(header.add(key, "", value, 0).is_err(), "{key}: {value}");
        }
    }
}
