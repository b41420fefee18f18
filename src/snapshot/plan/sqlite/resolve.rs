//! Which table a line means: SQLite names what it reads by its alias in the query.

use super::{Access, Line, Path, made};
use crate::snapshot::sqlite::{Schema, same_name};
use std::collections::BTreeSet;

/// Words that may stand behind the name of a table and are no alias of it.
const NO_ALIAS: [&str; 31] = [
    "AND",
    "CROSS",
    "DEFAULT",
    "DO",
    "EXCEPT",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "INDEXED",
    "INNER",
    "INTERSECT",
    "IS",
    "JOIN",
    "LEFT",
    "LIMIT",
    "NATURAL",
    "NOT",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "RETURNING",
    "RIGHT",
    "SELECT",
    "SET",
    "UNION",
    "USING",
    "VALUES",
    "WHERE",
    "WINDOW",
];

/// Aliases of one query, and of the views it goes through.
pub(super) struct Resolver<'a> {
    pub schema: &'a Schema,
    /// Alias and table, in the order of the text.
    aliases: Vec<(String, String)>,
    /// Names of what views, subqueries and CTEs make.
    makes: Vec<&'a str>,
}

impl<'a> Resolver<'a> {
    pub(super) fn of(sql: &str, schema: &'a Schema, lines: &'a [Line]) -> Self {
        let mut aliases = Vec::new();
        let mut seen = BTreeSet::new();
        let mut texts = vec![sql.to_owned()];
        while let Some(text) = texts.pop() {
            let tokens = tokens(&text);
            for (at, token) in tokens.iter().enumerate() {
                let Token::Name { text: name, .. } = token else { continue };
                let view = schema.views.values().find(|view| same_name(&view.name, name));
                if let Some(view) = view.filter(|view| seen.insert(view.name.clone())) {
                    texts.push(view.sql.clone());
                }
                if let Some(table) = schema.table(name)
                    && let Some(alias) = alias(&tokens[at + 1..])
                {
                    aliases.push((alias.to_owned(), table.name.clone()));
                }
            }
        }
        Self { schema, aliases, makes: lines.iter().filter_map(|line| made(&line.detail)).collect() }
    }

    /// Alias and table of a line. `inside`: names of what is made above it.
    pub(super) fn resolve(&self, access: &Access<'_>, inside: &[&str]) -> (String, Option<String>) {
        let item = access.item.strip_prefix("main.").unwrap_or(access.item);
        let alias = match item.strip_prefix("(subquery-").or_else(|| item.strip_prefix("(join-")) {
            Some(number) if number.trim_end_matches(')').bytes().all(|digit| digit.is_ascii_digit()) => {
                return ("(subquery)".to_owned(), None);
            }
            _ => item.to_owned(),
        };
        // An index is of one table, whatever it is called in the query.
        if let Path::Index(name) = access.path
            && let Some(index) = self.schema.indexes.get(name)
        {
            let table = self.schema.table(&index.table).map_or(&index.table, |table| &table.name);
            return (alias, Some(table.clone()));
        }
        let mut meant = self.aliases.iter().filter(|(known, _)| same_name(known, &alias));
        let table = meant.next().map(|(_, table)| table.clone());
        let table = table.or_else(|| {
            let table = self.schema.table(&alias)?;
            // What a CTE or a view makes hides a table of its name, except from itself.
            let hidden = self.makes.iter().any(|made| same_name(made, &alias));
            (!hidden || inside.iter().any(|made| same_name(made, &alias))).then(|| table.name.clone())
        });
        (alias, table)
    }
}

/// The alias that follows the name of a table, if one does.
fn alias(behind: &[Token]) -> Option<&str> {
    let (first, second) = (behind.first()?, behind.get(1));
    match (first, second) {
        (Token::Name { text, quoted: false }, Some(Token::Name { text: alias, .. }))
            if text.eq_ignore_ascii_case("AS") =>
        {
            Some(alias)
        }
        (Token::Name { text, quoted }, _) => {
            (*quoted || !NO_ALIAS.iter().any(|word| word.eq_ignore_ascii_case(text))).then_some(text)
        }
        (Token::Other, _) => None,
    }
}

/// As much of a token as matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name { text: String, quoted: bool },
    Other,
}

/// Names of a text in SQLite's spelling: bare, or in any of its four kinds of quotation marks.
fn tokens(sql: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let until = |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let length = match first {
            '-' if rest.starts_with("--") => until("\n", 2),
            '/' if rest.starts_with("/*") => until("*/", 2),
            '"' | '`' | '\'' => {
                let (text, length) = quoted(rest, first);
                found.push(Token::Name { text, quoted: true });
                length
            }
            '[' => {
                let length = until("]", 1);
                let text = rest[1..length].trim_end_matches(']').to_owned();
                found.push(Token::Name { text, quoted: true });
                length
            }
            first if first.is_whitespace() => first.len_utf8(),
            first if word(first) => {
                let length = rest.find(|c| !word(c)).unwrap_or(rest.len());
                found.push(Token::Name { text: rest[..length].to_owned(), quoted: false });
                length
            }
            first => {
                found.push(Token::Other);
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    found
}

/// What stands between two quotation marks, doubled ones once, and its length with both.
fn quoted(rest: &str, mark: char) -> (String, usize) {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c != mark {
            text.push(c);
        } else if characters.next_if(|(_, next)| *next == mark).is_some() {
            text.push(mark);
        } else {
            return (text, at + 1);
        }
    }
    (text, rest.len())
}
