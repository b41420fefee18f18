//! The table as it stands in files: statements with what was measured of them, grouped by version.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// One file.
#[derive(Debug)]
pub struct Theme {
    pub path: PathBuf,
    pub title: String,
    pub cases: Vec<Case>,
}

/// A statement, what goes before it, and what was measured.
#[derive(Debug)]
pub struct Case {
    pub title: String,
    /// Run before the observed run, each line a string of statements.
    pub before: Vec<String>,
    /// All statements run in one transaction; else each commits by itself.
    pub together: bool,
    /// The oldest major version whose server knows what goes before it.
    pub since: u32,
    /// The observed statements; the last one is measured.
    pub sql: String,
    /// Facts by major version.
    pub facts: BTreeMap<u32, Vec<String>>,
}

/// All files of a folder, in order.
pub fn read(folder: &Path) -> Vec<Theme> {
    let entries = std::fs::read_dir(folder).expect("the table's folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "sql") && !path.ends_with("schema.sql"));
    files.sort();
    files.into_iter().map(theme).collect()
}

fn theme(path: PathBuf) -> Theme {
    let text = std::fs::read_to_string(&path).expect("a file of the table");
    let mut blocks = text.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    let title = blocks.next().and_then(|block| block.strip_prefix("-- # ")).expect("a title");
    let cases = blocks.map(case).collect();
    Theme { title: title.to_owned(), cases, path }
}

fn case(block: &str) -> Case {
    let mut lines = block.lines();
    let title = lines.next().and_then(|line| line.strip_prefix("-- ")).unwrap_or_else(|| panic!("no title: {block}"));
    let mut case = Case {
        title: title.to_owned(),
        before: Vec::new(),
        together: false,
        since: 0,
        sql: String::new(),
        facts: BTreeMap::new(),
    };
    let (mut sql, mut versions) = (Vec::new(), Vec::new());
    for line in lines {
        if let Some(said) = line.strip_prefix("--: ") {
            match said.strip_prefix("from ") {
                _ if said == "one transaction" => case.together = true,
                Some(major) => case.since = major.parse().expect("a major version"),
                None => case.before.push(said.to_owned()),
            }
        } else if let Some(on) = line.strip_prefix("--> PostgreSQL ") {
            versions = majors(on);
            for major in &versions {
                case.facts.insert(*major, Vec::new());
            }
        } else if let Some(fact) = line.strip_prefix("--> ") {
            for major in &versions {
                case.facts.get_mut(major).expect("named above").push(fact.to_owned());
            }
        } else {
            sql.push(line);
        }
    }
    case.sql = sql.join("\n");
    case
}

/// `13, 15-18` as numbers.
fn majors(text: &str) -> Vec<u32> {
    let number = |text: &str| -> u32 { text.trim().parse().unwrap_or_else(|_| panic!("no major version: {text}")) };
    let ranges = text.split(',').map(|range| range.split_once('-').unwrap_or((range, range)));
    ranges.flat_map(|(first, last)| number(first)..=number(last)).collect()
}

/// Numbers as `13, 15-18`.
fn ranges(majors: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for major in majors {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *major => *last = *major,
            _ => ranges.push((*major, *major)),
        }
    }
    let told = ranges.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    told.collect::<Vec<_>>().join(", ")
}

impl Case {
    /// Versions that measured the same, together, oldest first.
    pub fn groups(&self) -> Vec<(String, &[String])> {
        let mut groups: Vec<(Vec<u32>, &[String])> = Vec::new();
        for (major, facts) in &self.facts {
            match groups.iter_mut().find(|(_, known)| *known == facts.as_slice()) {
                Some((majors, _)) => majors.push(*major),
                None => groups.push((vec![*major], facts)),
            }
        }
        groups.into_iter().map(|(majors, facts)| (ranges(&majors), facts)).collect()
    }
}

/// The file again.
pub fn write(theme: &Theme) -> String {
    let mut text = format!("-- # {}\n", theme.title);
    for case in &theme.cases {
        write!(text, "\n-- {}\n", case.title).expect("text");
        if case.since > 0 {
            writeln!(text, "--: from {}", case.since).expect("text");
        }
        if case.together {
            text.push_str("--: one transaction\n");
        }
        for before in &case.before {
            writeln!(text, "--: {before}").expect("text");
        }
        writeln!(text, "{}", case.sql).expect("text");
        for (versions, facts) in case.groups() {
            writeln!(text, "--> PostgreSQL {versions}").expect("text");
            for fact in facts {
                writeln!(text, "--> {fact}").expect("text");
            }
        }
    }
    text
}
