//! Hot queries from where they already run: logs of a server, what `pg_stat_statements` counted, files of other tools.
//! All of it is pure; `copy/statements.rs` reads the view, `engine/postgres/identify.rs` asks a server.

pub mod csv;
pub mod explained;
pub mod log;
pub mod message;
pub mod registry;
pub mod text;
pub mod values;
pub mod view;

use crate::migration::script::lexer::{Lexer, TokenKind};
use crate::workload::parameter::MOST;
use std::collections::BTreeMap;

/// Most parameter sets kept of one query: the most frequent ones.
pub const MOST_SETS: usize = 8;

/// A query found where it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Where, for people.
    pub place: String,
    /// A name that it came with.
    pub name: Option<String>,
    /// Its owner, if it came with one.
    pub owner: Option<String>,
    /// With `$n`, without comments and terminating semicolon.
    pub sql: String,
    /// Name of each `$n`; numbers where it came with none.
    pub parameters: Vec<String>,
    /// See [`crate::workload::HotQuery::types`].
    pub types: Vec<String>,
    /// Calls, or calls a minute where the time is known.
    pub calls: f64,
    /// Sets of values as SQL literals, with how often each was seen; the most frequent first.
    pub sets: Vec<(Vec<String>, u64)>,
    /// The server's own identity of it, where the source knows it.
    pub identity: Option<String>,
    /// As a client sent it: constants in it are values of user data.
    pub logged: bool,
}

/// Something that was found and cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Where, for people.
    pub place: String,
    /// Why.
    pub reason: String,
}

/// What one source held.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Import {
    /// The most frequent first.
    pub found: Vec<Found>,
    /// In the order they were met; each reason and text once.
    pub refused: Vec<Refused>,
}

/// The number of parameters in a text with `$n`. Numbers past what the protocol can carry are none.
pub fn parameters(sql: &str) -> usize {
    let numbers = Lexer::new(sql).filter(|token| token.kind == TokenKind::Parameter);
    numbers.filter_map(|token| sql[token.span][1..].parse().ok()).filter(|number| *number <= MOST).max().unwrap_or(0)
}

/// The text without comments and its last semicolon, and the name in a `-- name:` comment that sqlc and others leave in it.
/// Hints of `pg_hint_plan` stay: they decide about plans.
pub fn bare(sql: &str) -> (String, Option<String>) {
    let mut text = String::with_capacity(sql.len());
    let mut name = None;
    for token in Lexer::new(sql) {
        let part = &sql[token.span];
        if !matches!(token.kind, TokenKind::LineComment | TokenKind::BlockComment) || part.starts_with("/*+") {
            text.push_str(part);
            continue;
        }
        let said = part.trim_start_matches(['-', '/', '*', ' ']);
        if let Some(rest) = said.strip_prefix("name:") {
            let word: String = rest.trim().chars().take_while(|c| c.is_alphanumeric() || "_-.".contains(*c)).collect();
            name = name.or(Some(word).filter(|word| !word.is_empty()));
        }
        text.push(' ');
    }
    let text = text.trim().trim_end_matches(|c: char| c == ';' || c.is_whitespace());
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    (lines.join("\n"), name)
}

/// Why a text that a server normalised cannot be prepared, as far as that is to be seen without a server.
pub fn unpreparable(sql: &str) -> Option<String> {
    if sql.is_empty() || sql.starts_with('<') {
        return Some(format!("its text is not there: {}", if sql.is_empty() { "the server lost it" } else { sql }));
    }
    let mut lexer = Lexer::new(sql);
    let tokens: Vec<_> = lexer.by_ref().filter(|token| !token.kind.is_trivia()).collect();
    if lexer.open() != &crate::migration::script::lexer::Open::Nothing {
        return Some("its text is cut off".to_owned());
    }
    if let Err(reason) = crate::workload::has_plan(sql) {
        return Some(reason);
    }
    tokens.windows(2).find_map(|pair| {
        let word = &sql[pair[0].span.clone()];
        let typed = ["interval", "date", "time", "timestamp", "timestamptz"];
        (pair[1].kind == TokenKind::Parameter && typed.iter().any(|each| word.eq_ignore_ascii_case(each)))
            .then(|| format!("`{word} {}` is no SQL: a constant stood there", &sql[pair[1].span.clone()]))
    })
}

/// The text as a key: comments, spacing and cases of words make no difference, nor do constants.
///
/// It stands for the server's own identity where no server tells one.
pub fn lexical_identity(sql: &str) -> String {
    let mut key = String::with_capacity(sql.len());
    for token in Lexer::new(sql).filter(|token| !token.kind.is_trivia()) {
        let text = &sql[token.span];
        match token.kind {
            TokenKind::Word => key.push_str(&text.to_lowercase()),
            TokenKind::String | TokenKind::DollarString | TokenKind::Number | TokenKind::Parameter => key.push('?'),
            _ => key.push_str(text),
        }
        key.push(' ');
    }
    key.trim_end_matches([';', ' ']).to_owned()
}

/// Whether values stand in the text.
pub fn has_constants(sql: &str) -> bool {
    Lexer::new(sql).any(|token| is_constant(token.kind))
}

fn is_constant(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::String | TokenKind::DollarString | TokenKind::Number)
}

/// Puts parameters in place of constants: no value is left in the text. Numbers that say which column to sort or group by,
/// or how wide a type is, are none.
pub fn without_constants(sql: &str) -> String {
    const TYPES: [&str; 11] = [
        "numeric",
        "decimal",
        "varchar",
        "char",
        "character",
        "varying",
        "bit",
        "float",
        "time",
        "timestamp",
        "interval",
    ];
    const TYPED: [&str; 5] = ["interval", "date", "time", "timestamp", "timestamptz"];
    let mut text = String::with_capacity(sql.len());
    let mut number = parameters(sql);
    // The last two tokens that mean something, whether a list of columns by number goes on, and a type's parentheses.
    let (mut last, mut columns, mut width) = (String::new(), false, false);
    // Where the last of them begins in what is written.
    let mut word = 0;
    for token in Lexer::new(sql) {
        let part = &sql[token.span.clone()];
        if token.kind.is_trivia() {
            text.push_str(part);
            continue;
        }
        let is_type = |word: &str| TYPES.iter().any(|each| word.eq_ignore_ascii_case(each));
        width = (part == "(" && is_type(&last)) || (width && part != ")");
        columns = last.eq_ignore_ascii_case("by")
            || (columns && !matches!(token.kind, TokenKind::Word) && part != ")")
            || (columns
                && ["asc", "desc", "nulls", "first", "last"].iter().any(|each| part.eq_ignore_ascii_case(each)));
        let by_number = columns && (last == "," || last.eq_ignore_ascii_case("by"));
        if is_constant(token.kind) && !(token.kind == TokenKind::Number && (width || by_number)) {
            number += 1;
            let typed = TYPED.iter().find(|each| last.eq_ignore_ascii_case(each));
            match typed.filter(|_| token.kind == TokenKind::String) {
                // `interval $1` would be no SQL.
                Some(name) => {
                    // A comment between the two goes with the word.
                    text.truncate(word);
                    text.push_str(&format!("${number}::{name}"));
                }
                None => text.push_str(&format!("${number}")),
            }
        } else {
            word = text.len();
            text.push_str(part);
        }
        last = part.to_owned();
    }
    text
}

/// Adds up what is the same by `key`; the first of each stays, with all calls and sets. Sorted by calls.
pub fn merge(found: Vec<Found>, key: impl Fn(&Found) -> String) -> Vec<Found> {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut merged: Vec<Found> = Vec::new();
    for each in found {
        match places.get(&key(&each)) {
            Some(&at) => {
                let known = &mut merged[at];
                known.calls += each.calls;
                known.name = known.name.take().or(each.name);
                if known.parameters.len() == each.parameters.len() {
                    known.sets.extend(each.sets);
                }
            }
            None => {
                places.insert(key(&each), merged.len());
                merged.push(each);
            }
        }
    }
    for each in &mut merged {
        each.sets = most_frequent(std::mem::take(&mut each.sets));
    }
    merged.sort_by(|one, other| other.calls.total_cmp(&one.calls));
    merged
}

fn most_frequent(sets: Vec<(Vec<String>, u64)>) -> Vec<(Vec<String>, u64)> {
    let mut counted: Vec<(Vec<String>, u64)> = Vec::new();
    let mut places: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for (values, count) in sets {
        match places.get(&values) {
            Some(&at) => counted[at].1 += count,
            None => {
                places.insert(values.clone(), counted.len());
                counted.push((values, count));
            }
        }
    }
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counted.truncate(MOST_SETS);
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_the_name_in_them_stays() {
        let (sql, name) = bare("-- name: GetUser :one\nSELECT 1 /* tag */\n\nFROM t;\n -- end");
        assert_eq!((sql.as_str(), name.as_deref()), ("SELECT 1\nFROM t", Some("GetUser")));
        assert_eq!(bare("/*+ SeqScan(t) */ SELECT 1").0, "/*+ SeqScan(t) */ SELECT 1");
        assert_eq!(bare("SELECT '--x'").0, "SELECT '--x'");
    }

    #[test]
    fn what_cannot_be_prepared_is_told_without_a_server() {
        let told = |sql: &str| unpreparable(sql).unwrap_or_default();
        assert!(told("SELECT now() - interval $1").contains("`interval $1` is no SQL"));
        assert!(told("SELECT date $1").contains("`date $1`"));
        assert!(told("VACUUM t").contains("VACUUM is a utility statement"));
        assert!(told("SELECT 'a").contains("cut off"));
        assert!(told("<insufficient privilege>").contains("insufficient privilege"));
        assert!(told("").contains("lost"));
        assert_eq!(told("SELECT a FROM t WHERE d > $1::date AND i IN ($2 /*, ... */)"), "");
    }

    #[test]
    fn constants_and_spacing_make_no_other_query() {
        let same = lexical_identity("select  A from t where x = 5 -- y\n;");
        assert_eq!(same, lexical_identity("SELECT a FROM t\nWHERE x = $1"));
        assert_ne!(same, lexical_identity("SELECT b FROM t WHERE x = $1"));
    }

    #[test]
    fn constants_become_parameters() {
        for (sql, without) in [
            ("SELECT 'it''s', 5 FROM t WHERE a = $q$x$q$", "SELECT $1, $2 FROM t WHERE a = $3"),
            ("SELECT $1, 5, $2", "SELECT $1, $3, $2"),
            ("SELECT a FROM t ORDER BY 1, 2 DESC LIMIT 10", "SELECT a FROM t ORDER BY 1, 2 DESC LIMIT $1"),
            ("SELECT a, b FROM t GROUP BY 1, 2 HAVING a > 3", "SELECT a, b FROM t GROUP BY 1, 2 HAVING a > $1"),
            ("SELECT 1.5::numeric(10, 2), b FROM t", "SELECT $1::numeric(10, 2), b FROM t"),
            ("SELECT now() - interval '1 day', date '2026-01-01'", "SELECT now() - $1::interval, $2::date"),
        ] {
            assert_eq!(without_constants(sql), without);
        }
        assert!(has_constants("SELECT a FROM t WHERE b = 'x'") && !has_constants("SELECT a FROM t WHERE b = $1"));
    }

    #[test]
    fn what_would_run_beside_a_plan_is_refused() {
        for sql in ["SELECT 1; SELECT pg_terminate_backend(4711)", "SELECT 1; COMMIT; DELETE FROM t"] {
            assert_eq!(unpreparable(sql).as_deref(), Some("several statements in one text"), "{sql}");
        }
        assert_eq!(unpreparable("SELECT ';' FROM t"), None);
    }
}
