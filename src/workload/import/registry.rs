//! The file an import writes: `-- name:` SQL, readable by hand, merged with what it holds already.
//!
//! An import writes each weight twice, in `weight:` and in `imported:`. Where the two are equal, nobody has touched the
//! weight since, and a later import may update it; everything else in the file stays as it is.

use super::Found;
use crate::workload::HotQuery;
use crate::workload::source::sql_file::spelled;
use std::collections::{BTreeMap, BTreeSet};

/// First line of a new file.
const TITLE: &str = "-- Hot queries, brought in by `seatrial queries import`. Names, owners, weights and sets may be edited: a later\n\
    -- import keeps them.\n";

/// A weight for people and machines: three significant digits, no exponent.
pub fn weight(calls: f64) -> String {
    let digits = if calls >= 100.0 {
        0
    } else if calls >= 10.0 {
        1
    } else if calls >= 1.0 {
        2
    } else {
        3
    };
    let text = format!("{:.digits$}", calls.max(0.001));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Names that are taken.
#[derive(Debug, Clone, Default)]
pub struct Names {
    taken: BTreeSet<String>,
    /// The number to try next behind a name that was wanted before.
    next: BTreeMap<String, usize>,
}

impl Names {
    /// Begins with those that are there already.
    pub fn new(taken: BTreeSet<String>) -> Self {
        Self { taken, next: BTreeMap::new() }
    }

    /// A name no other query has: the one that is wanted, or that with a number.
    pub fn free(&mut self, wanted: &str) -> String {
        let number = self.next.entry(wanted.to_owned()).or_insert(1);
        loop {
            let name = if *number == 1 { wanted.to_owned() } else { format!("{wanted}-{number}") };
            *number += 1;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// One query as it stands in the file.
pub fn entry(name: &str, found: &Found, with_values: bool) -> String {
    let mut text = format!("-- name: {name}\n");
    if let Some(owner) = &found.owner {
        text.push_str(&format!("-- owner: {owner}\n"));
    }
    let weight = weight(found.calls);
    text.push_str(&format!("-- weight: {weight}\n-- imported: weight = {weight}\n"));
    let assigned = |values: &[String]| {
        let pairs = found.parameters.iter().zip(values).filter(|(_, value)| *value != "unknown");
        pairs.map(|(name, value)| format!("{} = {value}", spelled(name))).collect::<Vec<_>>().join(", ")
    };
    let types = assigned(&found.types);
    if !types.is_empty() {
        text.push_str(&format!("-- types: {types}\n"));
    }
    for (index, (values, _)) in found.sets.iter().enumerate().filter(|_| with_values) {
        text.push_str(&format!("-- params logged_{}: {}\n", index + 1, assigned(values)));
    }
    text.push_str(&named(&found.sql, &found.parameters));
    text.push_str(";\n");
    text
}

/// The text with the names of its parameters where it came with any.
fn named(sql: &str, parameters: &[String]) -> String {
    use crate::migration::script::lexer::{Lexer, TokenKind};
    if parameters.iter().all(|name| name.starts_with(|c: char| c.is_ascii_digit())) {
        return sql.to_owned();
    }
    let mut text = String::with_capacity(sql.len());
    for token in Lexer::new(sql) {
        let part = &sql[token.span.clone()];
        let number = part.get(1..).and_then(|digits| digits.parse::<usize>().ok());
        match number
            .filter(|_| token.kind == TokenKind::Parameter)
            .and_then(|number| parameters.get(number.checked_sub(1)?))
        {
            // An at sign is a parameter within brackets, too, where a colon would be a slice's.
            Some(name) => text.push_str(&format!("@{name}")),
            None => text.push_str(part),
        }
    }
    text
}

/// What an import did to a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// The whole text to be written.
    pub text: String,
    /// Names of weights that were brought up to date.
    pub updated: Vec<String>,
}

/// Adds entries to a file and updates the weights that an import wrote; `weights` are new ones by the name of the query.
pub fn merge(text: &str, queries: &[HotQuery], weights: &[(String, f64)], entries: &[String]) -> Merged {
    let mut merged = Merged { text: text.to_owned(), updated: Vec::new() };
    let mut ends: Vec<usize> = queries.iter().map(|query| query.offset).collect();
    ends.insert(0, 0);
    // From the last to the first, so that places stay.
    for (index, query) in queries.iter().enumerate().rev() {
        let Some((_, calls)) = weights.iter().find(|(name, _)| *name == query.name) else { continue };
        let header = &text[ends[index]..query.offset];
        let Some(named_at) = header.rfind(&format!("name: {}", query.name)) else { continue };
        let (start, end) = (ends[index] + named_at, query.offset);
        if let Some(header) = reweighted(&text[start..end], &weight(*calls)) {
            merged.text.replace_range(start..end, &header);
            merged.updated.push(query.name.clone());
        }
    }
    merged.updated.reverse();
    if merged.text.trim().is_empty() && !entries.is_empty() {
        merged.text = TITLE.to_owned();
    }
    for entry in entries {
        let gap = if merged.text.ends_with('\n') { "\n" } else { "\n\n" };
        merged.text.push_str(gap);
        merged.text.push_str(entry);
    }
    merged
}

/// The header with another weight; `None` where the weight is not an import's, or the same.
fn reweighted(header: &str, weight: &str) -> Option<String> {
    let value = |line: &str, key: &str| {
        let said = line.trim().trim_start_matches('-').trim().strip_prefix(key)?.trim().to_owned();
        Some(said)
    };
    let current = header.lines().find_map(|line| value(line, "weight:"))?;
    let imported = header.lines().find_map(|line| value(line, "imported: weight ="))?;
    if current != imported || current == weight {
        return None;
    }
    let replaced = header.split_inclusive('\n').map(|line| {
        let ours = value(line, "weight:").is_some() || value(line, "imported: weight =").is_some();
        if ours { line.replacen(&current, weight, 1) } else { line.to_owned() }
    });
    Some(replaced.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migration::SourceFile;
    use crate::migration::script::Dialect;
    use crate::workload::source::sql_file;
    use std::sync::Arc;

    fn read(text: &str) -> Vec<HotQuery> {
        let name = "q.sql".to_owned();
        sql_file::read(
            &Arc::new(SourceFile { path: name.clone().into(), name, text: text.to_owned() }),
            Dialect::PostgreSql,
        )
        .expect("queries")
    }

    fn found(sql: &str, parameters: &[&str], types: &[&str], sets: &[&[&str]]) -> Found {
        let texts = |all: &[&str]| all.iter().map(|each| (*each).to_owned()).collect::<Vec<_>>();
        Found {
            place: String::new(),
            name: None,
            owner: Some("shop".into()),
            sql: sql.into(),
            parameters: texts(parameters),
            types: texts(types),
            calls: 120.4,
            sets: sets.iter().map(|set| (texts(set), 1)).collect(),
            identity: None,
            logged: false,
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let values: [&[&str]; 2] = [&["'5'", "E'a\\nb, $1 = ''x'''"], &["NULL", "''"]];
        let sql = "SELECT a FROM t WHERE b = $1 AND c[1:2] = $2";
        let text =
            merge("", &[], &[], &[entry("q", &found(sql, &["1", "2"], &["bigint", "unknown"], &values), true)]).text;
        let query = &read(&text)[0];
        assert_eq!((query.sql.as_str(), query.weight, query.owner.as_deref()), (sql, 120.0, Some("shop")));
        assert_eq!(query.types, ["bigint", "unknown"]);
        let sets: Vec<&[String]> = query.sets.iter().map(|set| set.values.as_slice()).collect();
        assert_eq!(sets, values);
        let named = entry("q", &found(sql, &["b", "c"], &[], &values), false);
        assert!(named.contains("b = @b AND c[1:2] = @c") && !named.contains("params"), "{named}");
        assert_eq!(read(&named)[0].sql, sql);
    }

    #[test]
    fn hand_edits_stay_and_only_imported_weights_are_updated() {
        let text = "-- Ours.\n-- name: mine\n-- weight: 5\nSELECT 1;\n\n-- name: a\n-- owner: ada\n-- weight: 7\n\
                    -- imported: weight = 7\n-- a note\nSELECT 2;\n\n-- name: b\n-- weight: 9\n-- imported: weight = 8\nSELECT 3;\n";
        let weights: Vec<(String, f64)> = ["mine", "a", "b"].map(|name| (name.to_owned(), 70.0)).into();
        let merged = merge(text, &read(text), &weights, &["-- name: c\nSELECT 4;\n".to_owned()]);
        let expected = text.replace("weight: 7", "weight: 70").replace("weight = 7", "weight = 70");
        assert_eq!(merged.text, format!("{expected}\n-- name: c\nSELECT 4;\n"));
        assert_eq!(merged.updated, ["a"]);
        let again = merge(&merged.text, &read(&merged.text), &weights, &[]);
        assert_eq!((again.text, again.updated), (merged.text, vec![]));
    }

    #[test]
    fn a_name_is_given_once() {
        let mut names = Names::new(["a".to_owned(), "a-3".to_owned()].into());
        let given: Vec<String> = ["a", "a", "b", "b"].map(|wanted| names.free(wanted)).into();
        assert_eq!(given, ["a-2", "a-4", "b", "b-2"]);
    }

    #[test]
    fn weights_are_short_and_never_nothing() {
        for (calls, text) in [(0.0, "0.001"), (0.25, "0.25"), (3.0, "3"), (12.34, "12.3"), (1234.5, "1234")] {
            assert_eq!(weight(calls), text);
        }
    }
}
