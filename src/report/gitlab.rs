//! GitLab's code quality report: one JSON array, which a merge request shows beside the lines it changes.
//!
//! What is read of each entry: `description`, `check_name`, `fingerprint`, `severity`, `location.path` and
//! `location.lines.begin`. What is new in a merge request is told by fingerprints alone, and of two equal ones one is lost.

use super::human;
use super::read::escaped;
use super::v1::{Confidence, Finding, Report, Severity};
use super::view::places::{Repeats, message, place, ranked};
use super::visible::visible;
use serde::Serialize;

/// Bytes a report may have. GitLab has no limit of its own for these files but that of all artefacts, 100 MB unless an
/// instance says otherwise; a page made of more than this is of no use.
pub const BYTE_BUDGET: usize = 20_000_000;

/// Room for the entry that says how many are left out.
const TAIL: usize = 1_000;

#[derive(Serialize)]
struct Entry<'a> {
    description: String,
    check_name: String,
    fingerprint: String,
    severity: &'static str,
    location: Location<'a>,
}

#[derive(Serialize)]
struct Location<'a> {
    path: &'a str,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: usize,
}

/// Every finding that counts, worst first. What is allowed is left out: GitLab has no way to show that it is.
pub fn render(report: &Report) -> String {
    let counting: Vec<&Finding> = ranked(report).into_iter().filter(|finding| finding.counts()).collect();
    let mut repeats = Repeats::default();
    let mut out = Vec::new();
    let mut size = 0;
    for (position, finding) in counting.iter().enumerate() {
        let text = entry(report, finding, &mut repeats);
        size += text.len() + 2;
        if size > BYTE_BUDGET - TAIL {
            out.push(left_out(report, finding, counting.len() - position));
            break;
        }
        out.push(text);
    }
    if out.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", out.join(",\n")) }
}

fn entry(report: &Report, finding: &Finding, repeats: &mut Repeats) -> String {
    let place = place(report, finding);
    // Of the finding's own file: where one without a file is shown may change with every branch.
    let fingerprint =
        Finding::fingerprint(finding.file.as_deref(), &finding.id, &finding.objects, finding.query.as_deref());
    write(&Entry {
        description: visible(&message(finding).replace('\n', " · ")).into_owned(),
        check_name: format!("seatrial/{}", visible(&finding.id)),
        fingerprint: repeats.distinct(fingerprint, "-", ""),
        severity: severity(finding),
        location: Location { path: place.file, lines: Lines { begin: place.line } },
    })
}

/// An error that happened on the copy will happen in production: critical. One that only follows from what happened is
/// major. Nothing is a blocker, because whether a merge request may land is decided by the exit code and `--fail-on`.
fn severity(finding: &Finding) -> &'static str {
    match (finding.severity, finding.confidence) {
        (Severity::Error, Confidence::Measured) => "critical",
        (Severity::Error, Confidence::Predicted) => "major",
        (Severity::Warning, _) => "minor",
        (Severity::Info, _) => "info",
    }
}

/// Stands for what did not fit, as bad as the worst of it.
fn left_out(report: &Report, worst: &Finding, number: usize) -> String {
    let place = place(report, worst);
    write(&Entry {
        description: format!("{} in the full report", human::more(number, "finding")),
        check_name: "seatrial/more".to_owned(),
        fingerprint: Finding::fingerprint(None, "more", &[], None),
        severity: severity(worst),
        location: Location { path: place.file, lines: Lines { begin: place.line } },
    })
}

fn write(entry: &Entry<'_>) -> String {
    escaped(&serde_json::to_string(entry).expect("string keys, and writing to memory cannot fail"))
}
