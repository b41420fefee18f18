//! Workflow commands for GitHub's runner: one line an annotation, shown at the change it is about.
//!
//! The runner reads every line of a step's output. It takes one that begins with `::` for a command and, failing that, one
//! with `##[` anywhere in it; a line ends at a newline or a carriage return. So these are escaped as the runner undoes it,
//! and nothing from outside stands at the beginning of a line.

use super::human;
use super::v1::{Finding, Report, Severity};
use super::view::places::{Place, message, own_place, ranked};
use super::view::{self, Tone};
use super::visible::{clip, visible_lines};
use super::{RenderOptions, visible};

/// Annotations of one kind that a step may have; what is more is dropped without a word. So is what is more than 50 in a
/// job, which three kinds of one step do not reach.
pub const ANNOTATIONS: usize = 10;

/// Characters of a message: the runner cuts it at 4,096.
const MESSAGE: usize = 4_000;

/// One of the kinds of an annotation.
#[derive(Clone, Copy)]
struct Kind {
    command: &'static str,
    noun: &'static str,
    severity: Severity,
}

const KINDS: [Kind; 3] = [
    Kind { command: "error", noun: "error", severity: Severity::Error },
    Kind { command: "warning", noun: "warning", severity: Severity::Warning },
    Kind { command: "notice", noun: "note", severity: Severity::Info },
];

/// The run in one notice, then the worst of each kind, as many as are shown. Several databases of one run share a step, so
/// each has its part of the number.
pub fn render(report: &Report, options: &RenderOptions) -> String {
    let each = (ANNOTATIONS / options.databases.max(1)).max(1);
    let counting: Vec<&Finding> = ranked(report).into_iter().filter(|finding| finding.counts()).collect();
    let mut out = summary(report);
    for kind in KINDS {
        let found: Vec<&Finding> = counting.iter().copied().filter(|each| each.severity == kind.severity).collect();
        // The run itself is a notice.
        let room = if kind.severity == Severity::Info { each - 1 } else { each };
        let shown = if found.len() > room { room.saturating_sub(1) } else { found.len() };
        for finding in &found[..shown] {
            out += &annotation(kind.command, &finding.id, own_place(finding), &message(finding));
        }
        if found.len() > shown && room > 0 {
            let more = format!("{} in the full report", human::more(found.len() - shown, kind.noun));
            out += &annotation(kind.command, "Seatrial", None, &more);
        }
    }
    out
}

fn summary(report: &Report) -> String {
    let mut lines = vec![format!("{}.", view::rehearsed(report))];
    if !report.complete {
        lines.push("The run did not get to its end: what is missing is unknown, not fine.".to_owned());
    }
    for answer in view::answers(report) {
        lines.push(format!("{} {} {}: {}", answer.tone.mark(), answer.question, answer.word, answer.summary));
    }
    let mark = Tone::from(report.verdict).mark();
    let title = format!("{mark} Seatrial: {} ({})", report.verdict.name(), view::tally(report));
    annotation("notice", &title, None, &lines.join("\n"))
}

/// One line, whatever title, place and message hold.
fn annotation(command: &str, title: &str, place: Option<Place<'_>>, message: &str) -> String {
    let mut properties = Vec::new();
    if let Some(place) = place {
        properties.push(format!("file={}", property(place.file)));
        properties.push(format!("line={}", place.line));
        properties.push(format!("endLine={}", place.end_line));
        // A column belongs to one line: with several, GitHub refuses the annotation.
        let column = place.column.filter(|_| place.line == place.end_line);
        properties.extend(column.map(|column| format!("col={column}")));
    }
    properties.push(format!("title={}", property(title)));
    format!("::{command} {}::{}\n", properties.join(","), data(message))
}

/// Message, in lines.
fn data(raw: &str) -> String {
    let lines: Vec<String> = visible_lines(raw).map(std::borrow::Cow::into_owned).collect();
    let shown: String = clip(&lines.join("\n"), MESSAGE).chars().take(MESSAGE).collect();
    apart(&shown.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A"))
}

/// Value of a property.
fn property(raw: &str) -> String {
    let shown = visible::visible(raw).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    apart(&shown.replace(':', "%3A").replace(',', "%2C"))
}

/// The older form of a command stands anywhere in a line and has no escape of its own.
fn apart(text: &str) -> String {
    text.replace("##[", "## [")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_runner_would_act_on_is_escaped() {
        let place = Place { file: "a,b:c%\r\n.sql", line: 3, end_line: 3, column: Some(2) };
        let line = annotation("error", "x::y", Some(place), "50 %\n::set-env name=A::b\r##[add-path]c");
        assert_eq!(
            line,
            "::error file=a%2Cb%3Ac%25\\r⏎.sql,line=3,endLine=3,col=2,title=x%3A%3Ay::50 %25%0A::set-env name=A::b\\r## [add-path]c\n"
        );
    }

    #[test]
    fn a_column_is_told_of_one_line_only() {
        let place = Place { file: "a.sql", line: 3, end_line: 4, column: Some(2) };
        assert_eq!(annotation("warning", "t", Some(place), "m"), "::warning file=a.sql,line=3,endLine=4,title=t::m\n");
    }
}
