//! What formats for machines share: where a finding is shown, which of them come first, and what tells two apart.

use super::super::v1::{Finding, Report};
use super::super::visible::{clip, visible_lines};
use super::{location, statement};
use std::collections::{HashMap, HashSet};

/// Characters of one message, advice or reason.
pub const PROSE: usize = 1_200;

/// The file a finding is shown at where there is none to show: the one that says what is rehearsed.
const CONFIGURATION: &str = "seatrial.toml";

/// A place in a file, lines and columns counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// Relative to the root of the repository, with `/`.
    pub file: &'a str,
    /// First line.
    pub line: usize,
    /// Last line, never before the first.
    pub end_line: usize,
    /// Column of the first character, in characters; `None` where only the line is known.
    pub column: Option<usize>,
}

impl<'a> Place<'a> {
    fn new(file: &'a str, line: Option<usize>, end_line: Option<usize>, column: Option<usize>) -> Self {
        // A saved report may hold anything.
        let line = line.unwrap_or(1).max(1);
        Self { file, line, end_line: end_line.unwrap_or(line).max(line), column: column.filter(|column| *column > 0) }
    }
}

/// Whether a path is one of the repository's: relative to its root, and nowhere above it.
fn is_inside(file: &str) -> bool {
    !file.is_empty() && !file.starts_with('/') && file.split('/').all(|part| part != "..")
}

/// Where a finding itself says it is; `None` for one about the whole run, and for one in a file outside the repository, of
/// which nothing that shows a repository has a page.
pub fn own_place(finding: &Finding) -> Option<Place<'_>> {
    let file = finding.file.as_deref().filter(|file| is_inside(file))?;
    Some(Place::new(file, finding.line, finding.end_line, finding.column))
}

/// Where a finding is shown by what shows nothing without a place: its own; else that of its statement or of its hot query;
/// else the beginning of the first migration, which whoever reads a change of migrations has open; else of the first hot
/// query's file; else of the configuration.
pub fn place<'a>(report: &'a Report, finding: &'a Finding) -> Place<'a> {
    let of_statement = || {
        let statement = statement(report, finding.statement?).filter(|statement| is_inside(&statement.file))?;
        Some(Place::new(&statement.file, Some(statement.line), Some(statement.end_line), None))
    };
    let first = || {
        let statements = report.migrations.iter().flat_map(|migration| &migration.statements);
        let file = statements.map(|statement| statement.file.as_str()).find(|file| is_inside(file));
        let queries = || report.queries.iter().map(|query| query.file.as_str()).find(|file| is_inside(file));
        Some(Place::new(file.or_else(queries)?, None, None, None))
    };
    own_place(finding)
        .or_else(of_statement)
        .or_else(|| query_place(report, finding))
        .or_else(first)
        .unwrap_or(Place::new(CONFIGURATION, None, None, None))
}

/// Where the hot query of a finding is registered.
pub fn query_place<'a>(report: &'a Report, finding: &Finding) -> Option<Place<'a>> {
    let name = finding.query.as_deref()?;
    let query = report.queries.iter().find(|query| query.name == name && is_inside(&query.file))?;
    Some(Place::new(&query.file, Some(query.line), None, None))
}

/// Every finding that counts, worst first, then in the order of statements; what is allowed stands behind all of them.
pub fn ranked(report: &Report) -> Vec<&Finding> {
    let mut findings: Vec<&Finding> = report.findings.iter().collect();
    findings.sort_by_key(|finding| (!finding.counts(), finding.severity, finding.statement.unwrap_or(usize::MAX)));
    findings
}

/// Tells findings apart that are equal but for lines and numbers, by counting them.
#[derive(Debug, Default)]
pub struct Repeats {
    counts: HashMap<String, usize>,
    given: HashSet<String>,
}

impl Repeats {
    /// `name` the first time, `name (2)` the second, with whatever stands around the number; never the same twice.
    pub fn distinct(&mut self, name: String, before: &str, after: &str) -> String {
        let count = self.counts.entry(name.clone()).or_default();
        loop {
            *count += 1;
            let given = if *count == 1 { name.clone() } else { format!("{name}{before}{count}{after}") };
            if self.given.insert(given.clone()) {
                return given;
            }
        }
    }
}

/// Prose in lines, with nothing in it that a terminal, a browser or an editor would act on.
pub fn prose(raw: &str) -> String {
    let lines: Vec<String> = visible_lines(raw).map(|line| line.into_owned()).collect();
    clip(lines.join("\n").trim_end(), PROSE).into_owned()
}

/// What was found and what to do instead, in lines; and where, if that is no place to be shown at.
pub fn message(finding: &Finding) -> String {
    let mut lines = vec![prose(&finding.message)];
    if !finding.advice.is_empty() {
        lines.push(format!("Instead: {}", prose(&finding.advice)));
    }
    if let Some(outside) = location(finding).filter(|_| own_place(finding).is_none()) {
        lines.push(format!("In: {}", prose(&outside)));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_given_twice() {
        let mut repeats = Repeats::default();
        let given = ["a", "a", "a (2)", "a", "b"].map(|name| repeats.distinct(name.to_owned(), " (", ")"));
        assert_eq!(given, ["a", "a (2)", "a (2) (2)", "a (3)", "b"]);
    }

    #[test]
    fn a_path_that_leaves_the_repository_is_no_place_in_it() {
        for (file, inside) in
            [("m/1.sql", true), ("m/1..2.sql", true), ("", false), ("/srv/1.sql", false), ("m/../../1.sql", false)]
        {
            assert_eq!(is_inside(file), inside, "{file}");
        }
    }

    #[test]
    fn numbers_that_make_no_place_are_mended() {
        let place = Place::new("m/1.sql", Some(0), Some(0), Some(0));
        assert_eq!((place.line, place.end_line, place.column), (1, 1, None));
        let place = Place::new("m/1.sql", Some(7), Some(3), Some(2));
        assert_eq!((place.line, place.end_line, place.column), (7, 7, Some(2)));
    }
}
