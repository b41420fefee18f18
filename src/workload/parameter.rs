//! Parameters of hot queries: `:name`, `@name`, `sqlc.arg(name)` and `$n` become `$n` with names; in SQLite's SQL `?`, `?n`
//! and `$name` do as well.

mod sqlite;

use crate::migration::script;
use crate::migration::script::lexer::{Lexer, Token, TokenKind};
use std::ops::Range;

/// A query whose parameters cannot be told, with the byte where the trouble begins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct ParameterError {
    /// Byte offset into the SQL that was given.
    pub offset: usize,
    /// What is wrong there.
    pub kind: ParameterErrorKind,
}

/// What keeps parameters from being rewritten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterErrorKind {
    /// Named and positional parameters in one query.
    #[error("{found} stands in a query that already uses {earlier}: use either names or numbers, not both")]
    Mixed {
        /// The parameter as written.
        found: String,
        /// One of the other style before it.
        earlier: String,
    },
    /// `$0`, or a number past what the protocol can carry.
    #[error("{0} is not a parameter: they count from $1 to $65535")]
    Number(String),
    /// `sqlc.arg(…)` and its like without exactly one name.
    #[error("{0} takes one name in parentheses, as in {0}(customer_id)")]
    Function(String),
    /// psql's `:'name'` or `:"name"`.
    #[error("{0} is replaced by psql, not by the server: write :name for a parameter")]
    Interpolation(String),
    /// psycopg's `%s`.
    #[error("%s is a parameter without a name: write %(name)s, :name or $1")]
    Nameless,
    /// What a library writes into the SQL before it is sent: a name, a piece of SQL, a template.
    #[error("{0} becomes SQL only when the program runs: what is sent then cannot be told from here")]
    Macro(String),
}

/// What a library's way of writing parameters has of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dialect {
    /// Whose SQL it is.
    pub sql: script::Dialect,
    /// HugSQL's and PugSQL's: `:v*:ids`, `:user-id`, and pieces of SQL such as `:i:table`.
    pub hugsql: bool,
    /// PgTyped's: `:name!`.
    pub pgtyped: bool,
    /// PgTyped's parameters that stand for lists and rows, by name.
    pub expansions: Vec<(String, Expansion)>,
}

impl Dialect {
    /// The plain way of writing them in the SQL of an engine.
    pub fn of(sql: script::Dialect) -> Self {
        Self { sql, ..Self::default() }
    }

    /// Whose tokens these are: a colon of HugSQL or PgTyped begins more than a name.
    fn tokens(&self) -> script::Dialect {
        if self.hugsql || self.pgtyped { script::Dialect::PostgreSql } else { self.sql }
    }
}

/// What a parameter of PgTyped becomes. A list is planned with one element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expansion {
    /// Keys of an object; empty for a plain list.
    keys: Vec<String>,
}

impl Expansion {
    /// `(...)`, `(a, b)` or `((a, b)...)`.
    pub fn parse(text: &str) -> Option<Self> {
        let inside = text.strip_prefix('(')?.strip_suffix(')')?.trim();
        if inside == "..." {
            return Some(Self { keys: Vec::new() });
        }
        let row = inside.strip_suffix("...").map(|row| row.trim().strip_prefix('(')?.strip_suffix(')'));
        let keys = match row {
            Some(row) => row?,
            None => inside,
        };
        let keys: Vec<String> = keys.split(',').map(|key| key.trim().trim_end_matches('!').to_owned()).collect();
        let is_word = |key: &String| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_');
        keys.iter().all(is_word).then_some(Self { keys })
    }
}

/// Most parameters one statement can have: the protocol counts them in 16 bits.
pub(crate) const MOST: usize = 65_535;

/// Rewrites every parameter of `sql` to `$n` and returns the name of each, in order; a positional parameter's name is
/// its number. Strings, comments, casts, slices and operators such as `@>` stay as they are.
///
/// Inside a subscript a colon after a value is a slice, so `x[1:n]` has no parameter while `x[:n]` has one.
///
/// # Errors
/// Named and positional parameters are mixed, or one cannot be read.
pub fn rewrite(sql: &str) -> Result<(String, Vec<String>), ParameterError> {
    rewrite_as(sql, &Dialect::default())
}

/// The same for the files of a library with ways of its own.
///
/// # Errors
/// As [`rewrite`], or a piece of SQL that the library puts in only when the program runs.
pub fn rewrite_as(sql: &str, dialect: &Dialect) -> Result<(String, Vec<String>), ParameterError> {
    let tokens: Vec<Token> = Lexer::new_in(sql, dialect.tokens()).collect();
    let mut rewriter = Rewriter { sql, tokens: &tokens, output: String::new(), names: Names::None, dialect };
    let mut brackets = Brackets::default();
    let mut at = 0;
    while at < tokens.len() {
        at = match rewriter.parameter(at, &brackets)? {
            Some(next) => {
                brackets.after_value = true;
                next
            }
            None => {
                rewriter.output.push_str(rewriter.text(at));
                brackets.see(tokens[at].kind, rewriter.text(at));
                at + 1
            }
        };
    }
    Ok((rewriter.output, rewriter.names.into_list()))
}

/// The parameters so far: of one style only.
enum Names {
    None,
    /// In order of first use, and the first as written.
    Named(Vec<String>, String),
    /// The highest number, and the first as written.
    Positional(usize, String),
}

impl Names {
    fn into_list(self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::Named(names, _) => names,
            Self::Positional(highest, _) => (1..=highest).map(|number| number.to_string()).collect(),
        }
    }
}

struct Rewriter<'a> {
    sql: &'a str,
    tokens: &'a [Token],
    output: String,
    names: Names,
    dialect: &'a Dialect,
}

impl<'a> Rewriter<'a> {
    fn text(&self, at: usize) -> &'a str {
        self.tokens.get(at).map_or("", |token| &self.sql[token.span.clone()])
    }

    fn kind(&self, at: usize) -> Option<TokenKind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    /// The next token at or after `at` that is neither whitespace nor a comment.
    fn significant(&self, at: usize) -> usize {
        let rest = self.tokens.iter().skip(at);
        at + rest.take_while(|token| token.kind.is_trivia()).count()
    }

    fn error(&self, at: usize, kind: ParameterErrorKind) -> ParameterError {
        ParameterError { offset: self.tokens.get(at).map_or(self.sql.len(), |token| token.span.start), kind }
    }

    /// Rewrites the parameter that begins at token `at`, if one does, and returns the token after it.
    fn parameter(&mut self, at: usize, brackets: &Brackets) -> Result<Option<usize>, ParameterError> {
        let next = self.kind(at + 1);
        match (self.kind(at), self.text(at)) {
            (Some(TokenKind::Parameter), written) if self.dialect.tokens().is_sqlite() => self.sqlite(at, written),
            (Some(TokenKind::Parameter), written) => {
                self.positional(at, written)?;
                Ok(Some(at + 1))
            }
            (Some(TokenKind::LineComment | TokenKind::BlockComment), comment)
                if self.dialect.hugsql && (comment.starts_with("/*~") || comment.starts_with("--~")) =>
            {
                Err(self.error(at, ParameterErrorKind::Macro(comment.lines().next().unwrap_or_default().to_owned())))
            }
            (Some(TokenKind::Punctuation), "{") if self.text(at + 1) == "{" => {
                Err(self.error(at, ParameterErrorKind::Macro("{{…}}".to_owned())))
            }
            (Some(TokenKind::Operator), "%") if !brackets.after_value => self.percent(at),
            (Some(TokenKind::Punctuation), ":") if !brackets.colon_is_syntax() => match next {
                Some(TokenKind::Word) if self.dialect.hugsql => self.hugsql(at),
                Some(TokenKind::Word) if self.dialect.pgtyped => self.pgtyped(at),
                Some(TokenKind::Word) => self.named(at, at + 2, self.text(at + 1).to_owned()),
                Some(TokenKind::String | TokenKind::QuotedIdentifier) if !self.dialect.tokens().is_sqlite() => {
                    let written = format!(":{}", self.text(at + 1));
                    Err(self.error(at, ParameterErrorKind::Interpolation(written)))
                }
                _ => Ok(None),
            },
            (Some(TokenKind::Operator), "@") if next == Some(TokenKind::Word) => {
                self.named(at, at + 2, self.text(at + 1).to_owned())
            }
            (Some(TokenKind::Word), library) if self.text(at + 1) == "." && !brackets.after_dot => {
                self.function(at, library)
            }
            _ => Ok(None),
        }
    }

    /// `sqlc.arg(x)`, `sqlc.narg('x')`, `pggen.arg('x')`; `sqlc.embed(t)` becomes `t.*`.
    fn function(&mut self, at: usize, library: &str) -> Result<Option<usize>, ParameterError> {
        let function = self.text(at + 2);
        let written = format!("{library}.{function}");
        let is_embed = written.eq_ignore_ascii_case("sqlc.embed");
        // A slice is planned with one element.
        let known = ["sqlc.arg", "sqlc.narg", "sqlc.slice", "pggen.arg"];
        if !is_embed && !known.iter().any(|known| written.eq_ignore_ascii_case(known)) {
            return match library.to_ascii_lowercase().as_str() {
                "sqlc" | "pggen" if self.text(at + 3) == "(" => {
                    Err(self.error(at, ParameterErrorKind::Macro(format!("{written}(…)"))))
                }
                _ => Ok(None),
            };
        }
        let open = self.significant(at + 3);
        let argument = self.significant(open + 1);
        let close = self.significant(argument + 1);
        let name = match self.kind(argument) {
            Some(TokenKind::Word) => self.text(argument).to_owned(),
            Some(TokenKind::String) if self.text(argument).starts_with('\'') => {
                self.text(argument).trim_matches('\'').replace("''", "'")
            }
            _ => String::new(),
        };
        if self.text(open) != "(" || self.text(close) != ")" || name.is_empty() {
            return Err(self.error(at, ParameterErrorKind::Function(written)));
        }
        if is_embed {
            self.output.push_str(&name);
            self.output.push_str(".*");
            return Ok(Some(close + 1));
        }
        self.named(at, close + 1, name)
    }

    /// `:v:id` and `:v*:ids` are values, `:i:name` and its like pieces of SQL; names may hold hyphens.
    fn hugsql(&mut self, at: usize) -> Result<Option<usize>, ParameterError> {
        let mut name = at + 1;
        let kind = self.text(name);
        let list = self.text(name + 1) == "*" && self.text(name + 2) == ":";
        let typed = list || self.text(name + 1) == ":";
        let after = name + if list { 3 } else { 2 };
        if typed && self.kind(after) == Some(TokenKind::Word) {
            match kind {
                "v" | "value" => name = after,
                _ => return Err(self.error(at, ParameterErrorKind::Macro(self.written(at, after + 1).to_owned()))),
            }
        }
        let mut to = name + 1;
        while self.text(to) == "-" && self.kind(to + 1) == Some(TokenKind::Word) {
            to += 2;
        }
        let name = self.written(name, to).replace('-', "_");
        self.named(at, to, name)
    }

    /// `:name!`, and what `@param` says of it.
    fn pgtyped(&mut self, at: usize) -> Result<Option<usize>, ParameterError> {
        let name = self.text(at + 1).to_owned();
        let mut to = if self.text(at + 2) == "!" { at + 3 } else { at + 2 };
        let Some((_, expansion)) = self.dialect.expansions.iter().find(|(known, _)| *known == name) else {
            // `:user.name`: a key of an object.
            if self.text(to) == "." && self.kind(to + 1) == Some(TokenKind::Word) {
                let key = format!("{name}_{}", self.text(to + 1));
                to += if self.text(to + 2) == "!" { 3 } else { 2 };
                return self.named(at, to, key);
            }
            return self.named(at, to, name);
        };
        let keys = expansion.keys.clone();
        self.output.push('(');
        if keys.is_empty() {
            self.named(at, at + 2, name.clone())?;
        }
        for (index, key) in keys.iter().enumerate() {
            if index > 0 {
                self.output.push_str(", ");
            }
            self.named(at, at + 2, format!("{name}_{key}"))?;
        }
        self.output.push(')');
        Ok(Some(to))
    }

    /// psycopg's `%(name)s`; `%s` has no name that could be given a value.
    fn percent(&mut self, at: usize) -> Result<Option<usize>, ParameterError> {
        // `%(:a)s` is a parameter between other signs, before it is written as a number and afterwards.
        let is_name = self.kind(at + 2) != Some(TokenKind::Parameter);
        if is_name && self.text(at + 1) == "(" && self.text(at + 3) == ")" && self.text(at + 4) == "s" {
            return self.named(at, at + 5, self.text(at + 2).to_owned());
        }
        if self.text(at + 1) == "s" {
            return Err(self.error(at, ParameterErrorKind::Nameless));
        }
        Ok(None)
    }

    fn written(&self, from: usize, to: usize) -> &'a str {
        let end = self.tokens.get(to - 1).map_or(self.sql.len(), |token| token.span.end);
        &self.sql[self.tokens[from].span.start..end]
    }

    fn named(&mut self, from: usize, to: usize, name: String) -> Result<Option<usize>, ParameterError> {
        let written = self.written(from, to).to_owned();
        let number = match &mut self.names {
            Names::None => {
                self.names = Names::Named(vec![name], written);
                1
            }
            Names::Named(names, _) => {
                let known = names.iter().position(|known| *known == name);
                let number = known.unwrap_or(names.len()) + 1;
                if number > MOST {
                    return Err(self.error(from, ParameterErrorKind::Number(written)));
                }
                if known.is_none() {
                    names.push(name);
                }
                number
            }
            Names::Positional(_, earlier) => {
                let kind = ParameterErrorKind::Mixed { found: written, earlier: earlier.clone() };
                return Err(self.error(from, kind));
            }
        };
        self.push(number, to);
        Ok(Some(to))
    }

    /// Writes `$n`. `SELECT:a` and `:a'x'` are parameters beside words; a number must not grow together with either.
    fn push(&mut self, number: usize, to: usize) {
        let joins = |character: char| character.is_alphanumeric() || !character.is_ascii() || "_$'".contains(character);
        // SQLite takes `:$1` for one parameter, and `$1(2)` and `$1::a` as well.
        let is_sqlite = self.dialect.tokens().is_sqlite();
        let sign = |character: char| is_sqlite && ":@#".contains(character);
        if self.output.ends_with(|character| joins(character) || sign(character)) {
            self.output.push(' ');
        }
        self.output.push_str(&format!("${number}"));
        if self.text(to).starts_with(|character| joins(character) || (is_sqlite && "(:".contains(character))) {
            self.output.push(' ');
        }
    }

    fn positional(&mut self, at: usize, written: &str) -> Result<(), ParameterError> {
        self.numbered(at, written, written[1..].parse().ok())?;
        self.output.push_str(written);
        Ok(())
    }

    /// Notes a parameter with a number.
    fn numbered(&mut self, at: usize, written: &str, number: Option<usize>) -> Result<usize, ParameterError> {
        let Some(number) = number.filter(|number| (1..=MOST).contains(number)) else {
            return Err(self.error(at, ParameterErrorKind::Number(written.to_owned())));
        };
        self.names = match std::mem::replace(&mut self.names, Names::None) {
            Names::None => Names::Positional(number, written.to_owned()),
            Names::Positional(highest, first) => Names::Positional(highest.max(number), first),
            Names::Named(_, earlier) => {
                let found = written.to_owned();
                return Err(self.error(at, ParameterErrorKind::Mixed { found, earlier }));
            }
        };
        Ok(number)
    }
}

/// Where colons are SQL's own: between the bounds of a slice, and between key and value in `JSON_OBJECT(…)`.
#[derive(Default)]
struct Brackets {
    open: Vec<Bracket>,
    /// The last token that is not trivia is a value, so that an opening bracket would be a subscript.
    after_value: bool,
    after_dot: bool,
    after_json_object: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Plain,
    Subscript,
    JsonObject,
}

impl Brackets {
    fn see(&mut self, kind: TokenKind, text: &str) {
        if kind.is_trivia() {
            return;
        }
        match text {
            "(" if self.after_json_object => self.open.push(Bracket::JsonObject),
            "[" if self.after_value => self.open.push(Bracket::Subscript),
            "(" | "[" => self.open.push(Bracket::Plain),
            ")" | "]" => drop(self.open.pop()),
            _ => {}
        }
        let is_word = |word: &str| kind == TokenKind::Word && text.eq_ignore_ascii_case(word);
        self.after_json_object = is_word("json_object") || is_word("json_objectagg");
        self.after_dot = text == ".";
        self.after_value = match kind {
            TokenKind::Word => !is_word("array"),
            TokenKind::Operator => false,
            TokenKind::Punctuation => matches!(text, ")" | "]"),
            _ => true,
        };
    }

    fn colon_is_syntax(&self) -> bool {
        self.after_value && matches!(self.open.last(), Some(Bracket::Subscript | Bracket::JsonObject))
    }
}

/// One `name = value` of a parameter set, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// The parameter's name, or the number of a positional one.
    pub name: String,
    /// A SQL expression.
    pub value: String,
}

/// Cuts `customer_id = 1, status = 'paid, x'` at its top-level commas and equals signs.
///
/// # Errors
/// What is wrong, for people, without its place.
pub(crate) fn assignments(text: &str, dialect: script::Dialect) -> Result<Vec<Assignment>, String> {
    let mut found = Vec::new();
    let mut lexer = Lexer::new_in(text, dialect);
    let tokens: Vec<Token> = lexer.by_ref().filter(|token| !token.kind.is_trivia()).collect();
    if lexer.open() != &crate::migration::script::lexer::Open::Nothing {
        return Err("a quote is opened and never closed: a set stands on one line".to_owned());
    }
    let mut depth = 0_usize;
    let mut from = 0;
    for at in 0..=tokens.len() {
        let part = tokens.get(at).map_or(",", |token| &text[token.span.clone()]);
        match part {
            "(" | "[" => depth += 1,
            ")" | "]" if depth == 0 => return Err(format!("{part} closes nothing")),
            ")" | "]" => depth -= 1,
            ";" => return Err("a semicolon cannot stand in a value".to_owned()),
            "," if at == tokens.len() && depth > 0 => return Err("a parenthesis is never closed".to_owned()),
            "," if depth == 0 => {
                found.push(assignment(text, &tokens[from..at])?);
                from = at + 1;
            }
            _ => {}
        }
    }
    Ok(found)
}

fn assignment(text: &str, tokens: &[Token]) -> Result<Assignment, String> {
    let part = |token: &Token| &text[token.span.clone()];
    let whole = |tokens: &[Token]| -> &str {
        let span: Option<Range<usize>> =
            tokens.first().zip(tokens.last()).map(|(first, last)| first.span.start..last.span.end);
        span.map_or("", |span| &text[span])
    };
    let name = match tokens.first().map(|name| (name.kind, part(name))) {
        Some((TokenKind::Word, name)) => name.to_owned(),
        Some((TokenKind::Parameter, number)) => number[1..].to_owned(),
        _ => return Err(format!("`{}` is not `name = value`: two commas in a row, or no name", whole(tokens))),
    };
    let values = tokens.get(2..).unwrap_or_default();
    if tokens.get(1).map(part) != Some("=") || values.is_empty() {
        return Err(format!("`{}` is not `name = value`: write the parameter, =, and a SQL expression", whole(tokens)));
    }
    if let Some(parameter) = values.iter().find(|token| token.kind == TokenKind::Parameter) {
        return Err(format!("{} cannot stand in a value", part(parameter)));
    }
    Ok(Assignment { name, value: whole(values).to_owned() })
}

#[cfg(test)]
mod tests;
