//! Files that say in their first line what ends a statement.

use super::super::sections::trimmed;
use super::directive;
use crate::migration::layout::Cut;
use crate::migration::script::{Dialect, split_in};
use crate::migration::{MigrationError, SourceFile};

/// What ends a statement, and where the statements begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delimiter {
    text: String,
    start: usize,
}

/// The delimiter a file asks for.
///
/// # Errors
/// An empty one, or one with nothing after it.
pub(super) fn of(file: &SourceFile) -> Result<Option<Delimiter>, MigrationError> {
    let first = file.text.lines().next().unwrap_or_default();
    let Some(value) = first.starts_with("-- atlas:").then(|| directive(first, "delimiter")).flatten() else {
        return Ok(None);
    };
    let stop = |reason: &str| {
        Err(MigrationError::Content { file: file.name.clone(), line: 1, reason: format!("Atlas stops here: {reason}") })
    };
    let text = value.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t");
    match file.text.find('\n') {
        _ if text.is_empty() => stop("the delimiter is empty"),
        None => stop("nothing follows the delimiter"),
        Some(end) => Ok(Some(Delimiter { text, start: end + 1 })),
    }
}

impl Delimiter {
    /// The statements, delimiters left out. Quotes, parentheses, dollar quotes and comments keep theirs.
    pub fn cut(&self, file: &SourceFile, dialect: Dialect) -> Vec<Cut> {
        let text = &file.text;
        let mut cuts = Vec::new();
        let skip = |at: usize| at + (text[at..].len() - text[at..].trim_start().len());
        let mut begin = skip(self.start);
        let mut at = begin;
        let mut depth = 0usize;
        let mut end = |range: std::ops::Range<usize>| {
            let span = trimmed(text, range);
            if split_in(&text[span.clone()], dialect).is_ok_and(|found| found.is_empty()) {
                return;
            }
            cuts.push(Cut { span, rendered: None, dialect });
        };
        while let Some(character) = text[at..].chars().next() {
            let rest = &text[at..];
            let next = at + character.len_utf8();
            at = match character {
                '(' => {
                    depth += 1;
                    next
                }
                ')' => {
                    depth = depth.saturating_sub(1);
                    next
                }
                '\'' | '"' | '`' => after(text, next, &character.to_string()),
                _ if depth == 0 && rest.starts_with(&self.text) => {
                    end(begin..at);
                    begin = skip(at + self.text.len());
                    begin
                }
                '$' if dialect == Dialect::PostgreSql => match dollar_quote(rest) {
                    Some(tag) => after(text, at + tag.len(), tag),
                    None => next,
                },
                '-' if rest.starts_with("--") => after(text, at, "\n"),
                '/' if rest.starts_with("/*") => after(text, at, "*/"),
                _ => next,
            };
        }
        end(begin..text.len());
        cuts
    }
}

/// Just after the next `what`, or the end of the text.
fn after(text: &str, at: usize, what: &str) -> usize {
    text[at..].find(what).map_or(text.len(), |found| at + found + what.len())
}

/// The `$tag$` a text begins with.
fn dollar_quote(text: &str) -> Option<&str> {
    let tag = &text[1..];
    let length = tag.find('$')?;
    let is_name = tag[..length].chars().all(|character| character.is_alphanumeric() || character == '_');
    (is_name && !tag.starts_with(|first: char| first.is_ascii_digit())).then(|| &text[..length + 2])
}
