//! Formatted SQL: changesets with their attributes, what undoes them, properties.

use super::super::site::parent;
use crate::migration::script::Dialect;
use crate::migration::{MigrationError, SourceFile};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

/// A changeset as it stands in its file.
#[derive(Debug, Default)]
pub(super) struct ChangeSet {
    pub(super) author: String,
    pub(super) id: String,
    pub(super) line: usize,
    /// Attributes by their names in lower case.
    pub(super) attributes: BTreeMap<String, String>,
    /// Bytes of what is run.
    pub(super) up: Vec<Range<usize>>,
    /// Bytes of what undoes it.
    pub(super) down: Vec<Range<usize>>,
    pub(super) comment: String,
    pub(super) valid_checksums: Vec<String>,
    pub(super) has_preconditions: bool,
}

impl ChangeSet {
    /// An attribute that is true or false.
    pub(super) fn is(&self, name: &str, default: bool) -> bool {
        self.attributes.get(name).map_or(default, |value| value.eq_ignore_ascii_case("true"))
    }
}

/// A file of them.
#[derive(Debug, Default)]
pub(super) struct Changelog {
    pub(super) logical_path: Option<String>,
    pub(super) change_sets: Vec<ChangeSet>,
    /// Names and values, in the order they stand; the first of a name counts.
    pub(super) properties: Vec<(String, String)>,
}

/// Whether a file is formatted SQL: its first line that is not blank says so.
pub(super) fn is_formatted(text: &str) -> bool {
    text.lines().find(|line| !line.trim().is_empty()).is_some_and(is_header)
}

fn is_header(line: &str) -> bool {
    let words = comment(line).and_then(|rest| word(rest, "liquibase")).map(str::trim_start);
    words.is_some_and(|rest| word(rest, "formatted").is_some())
}

/// What stands after `--` and space.
pub(super) fn comment(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("--").map(str::trim_start)
}

/// What follows `word`, whatever its case.
pub(super) fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.get(..word.len()).filter(|head| head.eq_ignore_ascii_case(word)).map(|_| &text[word.len()..])
}

/// What follows `word` and space.
pub(super) fn keyword<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    word(text, name).filter(|rest| rest.starts_with(char::is_whitespace)).map(str::trim_start)
}

/// Reads a file.
///
/// # Errors
/// What Liquibase stops at, with its line.
pub(super) fn parse(file: &SourceFile, dialect: Dialect) -> Result<Changelog, MigrationError> {
    let wrong = |line: usize, reason: &str| {
        Err(MigrationError::Content { file: file.name.clone(), line, reason: reason.to_owned() })
    };
    let mut log = Changelog::default();
    let mut at = 0;
    // Until when lines are left out: a number of them, or an end line.
    let (mut ignored, mut ignoring, mut in_rollback) = (0usize, false, false);
    for (number, line) in file.text.split_inclusive('\n').enumerate().map(|(at, line)| (at + 1, line)) {
        let span = at..at + line.len();
        at = span.end;
        let content = line.trim_end_matches(['\r', '\n']);
        let said = comment(content);
        let ignore = said.and_then(|said| word(said, "ignoreLines:")).map(str::trim);
        if ignoring || ignored > 0 {
            ignored = ignored.saturating_sub(1);
            ignoring = ignoring && !ignore.is_some_and(|what| what.eq_ignore_ascii_case("end"));
            continue;
        }
        if in_rollback {
            in_rollback = !content.trim_end().ends_with("*/");
            let end = if in_rollback { span.end } else { span.start + content.trim_end().len() - 2 };
            if let Some(set) = log.change_sets.last_mut() {
                set.down.push(span.start..end);
            }
            continue;
        }
        if let Some(what) = ignore {
            match what.parse() {
                Ok(count) => ignored = count,
                Err(_) if what.eq_ignore_ascii_case("start") => ignoring = true,
                Err(_) => return wrong(number, "after `ignoreLines:` comes a number, `start` or `end`"),
            }
            continue;
        }
        if let Some(rest) = said.and_then(|said| keyword(said, "property")) {
            let values = attributes(rest);
            match (values.get("name"), values.get("value")) {
                (Some(name), Some(value)) if values.get("dbms").is_none_or(|dbms| super::is_ours(dbms, dialect)) => {
                    log.properties.push((name.clone(), value.clone()));
                }
                (Some(_), Some(_)) => {}
                _ => return wrong(number, "a property is written `--property name:x value:y`"),
            }
            continue;
        }
        if is_header(content) {
            log.logical_path = attributes(content).remove("logicalfilepath").or(log.logical_path);
            continue;
        }
        if let Some(rest) = said.and_then(|said| keyword(said, "changeset")) {
            let Some((author, id, rest)) = identity(rest) else {
                return wrong(number, "a changeset is written `--changeset author:id`, without a space before the id");
            };
            let attributes = attributes(rest);
            log.change_sets.push(ChangeSet { author, id, line: number, attributes, ..ChangeSet::default() });
            continue;
        }
        let opens_rollback = || {
            let rest = content.trim_start().strip_prefix("/*")?.trim_start();
            Some(word(word(rest, "liquibase")?.trim_start(), "rollback")?.trim().is_empty())
        };
        let Some(set) = log.change_sets.last_mut() else {
            if said.and_then(|said| word(said, "comment")).is_some_and(|rest| rest.starts_with([':', ' '])) {
                return wrong(number, "Liquibase stops at a comment line before the first changeset");
            }
            continue;
        };
        let after = |rest: &str| span.start + content.len() - rest.len()..span.end;
        if let Some(said) = said {
            if let Some(rest) = word(said, "comment").filter(|rest| rest.starts_with([':', ' '])) {
                set.comment = rest.trim_start_matches(':').trim().to_owned();
                continue;
            }
            if let Some(rest) = word(said, "validCheckSum").filter(|rest| rest.starts_with([':', ' '])) {
                set.valid_checksums.push(rest.trim_start_matches(':').trim().to_owned());
                continue;
            }
            if let Some(rest) = word(said, "rollback ") {
                set.down.push(after(rest));
                continue;
            }
            if word(said, "preconditions").is_some() || word(said, "precondition-").is_some() {
                set.has_preconditions = true;
                continue;
            }
        }
        if opens_rollback() == Some(true) {
            in_rollback = true;
            continue;
        }
        match set.up.last_mut().filter(|last| last.end == span.start) {
            Some(last) => last.end = span.end,
            None => set.up.push(span),
        }
    }
    for set in &log.change_sets {
        if set.up.iter().all(|part| file.text[part.clone()].trim().is_empty()) {
            return wrong(set.line, "there is no SQL in this changeset, and Liquibase stops at it");
        }
    }
    Ok(log)
}

/// Author and id, each perhaps in double quotes, and the rest of the line.
pub(super) fn identity(text: &str) -> Option<(String, String, &str)> {
    let quoted = |text: &str| text.strip_prefix('"').and_then(|rest| rest.find('"')).map(|end| end + 2);
    let end = quoted(text).or_else(|| text.find(':'))?;
    let (author, rest) = text.split_at(end);
    let rest = rest.strip_prefix(':')?;
    let end = quoted(rest).unwrap_or_else(|| rest.find(char::is_whitespace).unwrap_or(rest.len()));
    let (id, rest) = rest.split_at(end);
    let plain = |text: &str| text.trim_matches('"').to_owned();
    (!author.is_empty() && !id.is_empty()).then(|| (plain(author), plain(id), rest))
}

/// `name:value` pairs, values perhaps in double quotes, by their names in lower case; the first of a name counts.
pub(super) fn attributes(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, value, _) in pairs(text) {
        found.entry(name).or_insert_with(|| value.to_owned());
    }
    found
}

/// Each pair by its name in lower case, its value, and as it is written.
pub(super) fn pairs(text: &str) -> Vec<(String, &str, &str)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let Some(colon) = rest[..end].find(':') else {
            rest = rest[end..].trim_start();
            continue;
        };
        let name = rest[..colon].to_lowercase();
        // A space may follow the colon.
        let value = rest[colon + 1..].trim_start_matches([' ', '\t']);
        let (value, after) = match value.strip_prefix('"').and_then(|inside| inside.split_once('"')) {
            Some((value, after)) => (value, after),
            None => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
        };
        found.push((name, value, rest[..rest.len() - after.len()].trim_end()));
        rest = after.trim_start();
    }
    found
}

/// `liquibase.properties`: keys without `liquibase.` and `command.` in front, dashes and case.
pub(super) fn properties(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
    let pair = |line: &str| {
        let at = line.find(['=', ':'])?;
        let key = line[..at].trim();
        let value = line[at + 1..].trim().to_owned();
        if let Some(name) = key.strip_prefix("parameter.") {
            return Some((format!("parameter.{name}"), value));
        }
        let key = key.strip_prefix("liquibase.").unwrap_or(key);
        let key = key.strip_prefix("command.").unwrap_or(key);
        Some((key.replace('-', "").to_lowercase(), value))
    };
    lines.filter_map(pair).collect()
}

/// The path that `databasechangelog` has for a file: below the folder of resources where there is one.
pub(super) fn stored_path(name: &str) -> String {
    let path = name.rsplit_once("/resources/").map_or(name, |(_, below)| below);
    path.strip_prefix("./").unwrap_or(path).to_owned()
}

/// Whether a path of `databasechangelog` means a file: the longer ends in the shorter.
pub(super) fn is_same_path(stored: &str, name: &str) -> bool {
    let stored = stored.strip_prefix("classpath:").unwrap_or(stored).trim_start_matches('/');
    let ends =
        |long: &str, short: &str| long == short || long.strip_suffix(short).is_some_and(|rest| rest.ends_with('/'));
    ends(stored, name) || ends(name, stored)
}

/// Whether a file of the folder names changelogs, as XML, YAML and JSON do.
pub(super) fn is_master(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    matches!(extension.as_str(), "xml" | "yaml" | "yml" | "json")
        && std::fs::read_to_string(path).is_ok_and(|text| text.contains("databaseChangeLog"))
        && parent(path).is_dir()
}
