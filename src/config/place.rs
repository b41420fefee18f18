//! What is wrong in the file, shown where it stands: `file:line:column`, the line, and a caret under the place.

use super::ConfigError;
use crate::migration::SourceFile;
use crate::report::human;
use crate::report::visible::{is_unprintable, visible};
use crate::workload::source::spelling::nearest;
use std::ops::Range;

/// Characters of a line that are shown.
const WIDTH: usize = 100;
/// More names than this are not listed in a message.
const MANY: usize = 40;
/// Keys that hold one of these words hold secrets.
const SECRETS: [&str; 4] = ["password", "passwd", "secret", "token"];
/// What a password follows in the options of a URL.
const PASSWORD: &str = "password=";

/// An error of the TOML reader, in words for people and in its place.
pub(super) fn explain(file: &SourceFile, error: &toml::de::Error) -> ConfigError {
    let span = error.span().unwrap_or(0..0);
    at(file, span.clone(), &in_words(error.message(), file.text.get(span).unwrap_or_default()))
}

/// An error about the bytes `span` of the file. Nothing but the line they begin in is shown, without passwords.
pub(super) fn at(file: &SourceFile, span: Range<usize>, message: &str) -> ConfigError {
    let mut start = file.text.floor_char_boundary(span.start.min(file.text.len()));
    // What is missing at the end of the file is missing in its last line.
    if start == file.text.len() {
        start = file.text.trim_end().len();
    }
    let line_start = file.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line = file.text[line_start..].lines().next().unwrap_or_default();
    let end = file.text.floor_char_boundary(span.end.clamp(start, line_start + line.len().max(start - line_start)));
    let place = file.position(start);
    let shown = without_secrets(line);
    let length = shown.chars().count();
    let before = without_secrets(&file.text[line_start..start]).chars().count().min(length);
    let marked = file.text[start..end].trim_end().chars().count().clamp(1, (length - before).max(1));
    // A window on long lines, so that the caret stays in sight.
    let skip = if length > WIDTH { before.saturating_sub(WIDTH / 2) } else { 0 };
    // One character stays one, so that the caret stays below its place.
    let drawn = |each| match each {
        '\t' => ' ',
        each if is_unprintable(each) => '\u{fffd}',
        each => each,
    };
    let window: String = shown.chars().skip(skip).take(WIDTH).map(drawn).collect();
    let gutter = place.line.to_string();
    let margin = " ".repeat(gutter.len());
    let indent = " ".repeat(before - skip);
    let caret = "^".repeat(marked.min(WIDTH.saturating_sub(before - skip).max(1)));
    ConfigError::Place {
        file: file.name.clone(),
        line: place.line,
        column: place.column,
        message: visible(&without_passwords(message)).into_owned(),
        excerpt: format!(" {gutter} | {}\n {margin} | {indent}{caret}", window.trim_end()),
    }
}

/// The reader's message in the words of TOML. Values are not repeated: their line is shown.
fn in_words(message: &str, found: &str) -> String {
    let message = message.trim_end();
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let (key, known) = word_and_known(rest);
        return unknown_key(key, &known);
    }
    if let Some(rest) = message.strip_prefix("unknown variant `") {
        let (word, known) = word_and_known(rest);
        let list = human::list(&known);
        return match nearest(word, known.iter().copied()) {
            Some(meant) if known.len() > MANY => format!("`{word}` is not known here: did you mean `{meant}`?"),
            None if known.len() > MANY => format!("`{word}` is not known here; docs/configuration.md says what is"),
            Some(meant) => format!("`{word}` is not known here: did you mean `{meant}`? Known are {list}"),
            None => format!("`{word}` is not known here; known are {list}"),
        };
    }
    if let Some(key) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return format!("the key `{key}` is missing here");
    }
    if message == "duplicate key" {
        return format!("the key `{}` stands twice in this table: keep one", found.lines().next().unwrap_or_default());
    }
    let expected =
        message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: ")).and_then(|rest| {
            let (found, expected) = rest.rsplit_once(", expected ")?;
            Some(format!("expected {}, found {}", kind(expected), kind_found(found)))
        });
    // The reader's own words may stand on several lines.
    expected.unwrap_or_else(|| message.lines().collect::<Vec<_>>().join("; "))
}

/// `x`, expected one of `a`, `b`: the word, and the others.
fn word_and_known(rest: &str) -> (&str, Vec<&str>) {
    // The word is the file's and may hold anything; what is expected is ours.
    let (word, known) = rest.rsplit_once("`, expected ").or_else(|| rest.split_once("`, ")).unwrap_or((rest, ""));
    let word = word.lines().next().unwrap_or_default();
    (word, known.split('`').skip(1).step_by(2).collect())
}

fn unknown_key(key: &str, known: &[&str]) -> String {
    match nearest(key, known.iter().copied()) {
        Some(meant) => format!("unknown key `{key}`: did you mean `{meant}`?"),
        None if known.len() > MANY => format!("unknown key `{key}`; docs/configuration.md lists those that are known"),
        None => format!("unknown key `{key}`; known are {}", human::list(known)),
    }
}

/// Rust's names of what was expected, as TOML calls them.
fn kind(expected: &str) -> &str {
    match expected {
        "u64" | "usize" | "u32" => "a whole number, 0 or more",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "an array",
        "a map" => "a table",
        _ if expected.starts_with("struct ") => "a table",
        other => other,
    }
}

fn kind_found(found: &str) -> String {
    let kind = match found.split([' ', '`', '"']).next().unwrap_or_default() {
        "string" => "a string",
        "integer" => "an integer",
        "floating" => "a number",
        "boolean" => "a boolean",
        "map" => "a table",
        "sequence" => "an array",
        _ => "something else",
    };
    let number = found.split('`').nth(1).filter(|_| kind != "a boolean");
    number.map_or_else(|| kind.to_owned(), |number| number.to_owned())
}

/// The same line without passwords, and without the value of a key that names a secret.
fn without_secrets(line: &str) -> String {
    match line.split_once('=') {
        Some((key, value)) if !value.trim().is_empty() && names_a_secret(key) => format!("{key}= ***"),
        _ => without_passwords(line),
    }
}

fn names_a_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRETS.iter().any(|secret| key.contains(secret))
}

/// The same text without what stands between `:` and `@` in a URL, and behind `password=`.
fn without_passwords(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = after.find(['"', '\'', '`', ' ']).unwrap_or(after.len());
        match (after[..end].find(':'), after[..end].rfind('@')) {
            (Some(colon), Some(sign)) if colon < sign => {
                shown.push_str(&after[..=colon]);
                shown.push_str("***");
                rest = &after[sign..];
            }
            _ => rest = after,
        }
    }
    shown.push_str(rest);
    let mut from = 0;
    while let Some(found) = shown[from..].to_ascii_lowercase().find(PASSWORD) {
        let value = from + found + PASSWORD.len();
        let end = shown[value..].find(['&', '"', '\'', '`', ' ']).map_or(shown.len(), |length| value + length);
        shown.replace_range(value..end, "***");
        from = value;
    }
    shown
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
