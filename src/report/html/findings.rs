//! Findings, worst first, each with its statement, what to do instead, and what it rests on.

use super::mark::Mark;
use super::text::{Block, prose};
use super::{budget, fitting, human, more, view, written};
use crate::report::text::snippet::underlined;
use crate::report::v1::{Confidence, Finding, Report, Severity, Statement};
use askama::Template;
use serde_json::Value;

#[derive(Template)]
#[template(path = "findings.html")]
struct Findings {
    tally: String,
    levels: Vec<Level>,
    cards: Vec<String>,
    more: Option<String>,
}

/// One of the filter's buttons.
struct Level {
    name: &'static str,
    label: String,
    mark: Mark,
}

#[derive(Template)]
#[template(path = "finding.html")]
struct Card<'r> {
    number: usize,
    finding: &'r Finding,
    mark: Mark,
    level: &'static str,
    predicted: bool,
    place: Option<String>,
    message: String,
    sql: Option<Sql>,
    advice: String,
    safer: Option<(String, Option<Block>)>,
    evidence: Vec<(&'r str, String)>,
    allowed: Option<String>,
}

/// A statement, and the part of it that the finding is about.
struct Sql {
    /// The beginning of a long one, which is folded.
    line: Option<String>,
    before: String,
    about: String,
    after: String,
}

impl Sql {
    fn of(statement: &Statement, finding: &Finding) -> Option<Self> {
        let text = statement.sql.trim_end();
        let end = text.char_indices().nth(SQL).map_or(text.len(), |(at, _)| at);
        let (whole, cut) = (&text[..end], if end < text.len() { " …" } else { "" });
        let range = underlined(whole, finding);
        let long = whole.lines().count() > LINES || whole.len() > BYTES;
        (!whole.trim().is_empty()).then(|| Self {
            line: long.then(|| view::sql_line(whole, 160)),
            before: whole[..range.start].to_owned(),
            about: whole[range.clone()].to_owned(),
            after: format!("{}{cut}", &whole[range.end..]),
        })
    }
}

/// Lines and bytes of a statement that is not folded.
const LINES: usize = 8;
const BYTES: usize = 600;
/// Characters of a statement beside a finding: all of it stands in the timeline.
const SQL: usize = 4_000;

/// The section, filters included; it is there without findings too, to say that there are none.
pub(super) fn section(report: &Report) -> String {
    let mut findings = view::findings(report, true);
    findings.extend(report.findings.iter().filter(|finding| !finding.counts()));
    let total = findings.len();
    let numbered = findings.iter().enumerate();
    let (cards, left) = fitting(numbered, budget::FINDINGS, |(at, finding)| written(&card(report, at + 1, finding)));
    let level = |name: &'static str, noun: &str, mark| {
        let number = findings.iter().filter(|finding| level_of(finding) == name).count();
        (number > 0).then(|| Level { name, label: human::plural(number, noun), mark })
    };
    let levels = [
        level("error", "error", Mark::from(view::Tone::Bad)),
        level("warning", "warning", Mark::from(view::Tone::Caution)),
        level("info", "note", Mark::NOTE),
        level("allowed", "allowed finding", Mark::NOTE),
    ];
    written(&Findings {
        tally: if total == 0 { "none".to_owned() } else { view::tally(report) },
        levels: levels.into_iter().flatten().collect(),
        cards,
        more: more(left, "finding"),
    })
}

fn level_of(finding: &Finding) -> &'static str {
    if finding.counts() { finding.severity.name() } else { "allowed" }
}

fn card<'r>(report: &Report, number: usize, finding: &'r Finding) -> Card<'r> {
    let mark = match finding.severity {
        _ if !finding.counts() => Mark::NOTE,
        Severity::Info => Mark::NOTE,
        severity => Mark::from(view::Tone::from(severity)),
    };
    let statement = view::statement_of(report, finding);
    let safer = view::trials::suggestion(report, finding).map(|row| {
        let steps = (!row.sql.is_empty()).then(|| Block::of(&(row.sql.join("\n") + "\n")));
        (prose(&row.text), steps)
    });
    Card {
        number,
        finding,
        mark,
        level: level_of(finding),
        predicted: finding.confidence == Confidence::Predicted,
        place: view::location(finding),
        message: prose(&finding.message),
        sql: statement.and_then(|statement| Sql::of(statement, finding)),
        advice: prose(&finding.advice),
        safer,
        evidence: finding.evidence.iter().filter_map(|(key, value)| Some((key.as_str(), evidence(value)?))).collect(),
        allowed: finding.suppressed_by.as_deref().map(prose),
    }
}

/// A value as people read it; `None` where it says nothing.
fn evidence(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(prose(text)),
        Value::Number(number) => Some(match (number.as_u64(), number.as_f64()) {
            (Some(whole), _) => human::count(whole),
            (None, Some(part)) if part.fract() != 0.0 => format!("{part:.2}"),
            (None, _) => number.to_string(),
        }),
        Value::Bool(true) => Some("yes".to_owned()),
        Value::Bool(false) => Some("no".to_owned()),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            let items: Vec<String> = items.iter().filter_map(evidence).collect();
            (!items.is_empty()).then(|| prose(&items.join(", ")))
        }
        Value::Array(_) | Value::Object(_) => Some(prose(&value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn evidence_reads_like_speech_and_what_says_nothing_is_left_out() {
        for (value, told) in [
            (json!(null), None),
            (json!([]), None),
            (json!(1204331), Some("1,204,331")),
            (json!(4.595238), Some("4.60")),
            (json!(-3), Some("-3")),
            (json!(["a", 2, null]), Some("a, 2")),
            (json!(false), Some("no")),
            (json!({"a": [1]}), Some("{\"a\":[1]}")),
        ] {
            assert_eq!(evidence(&value).as_deref(), told, "{value}");
        }
    }
}
