//! JUnit XML, which every CI shows as tests: a suite for each migration, a case for each check.
//!
//! An error is a failing case. Where none bears on one of the four answers, the answer is a case of its own, which passes, or
//! is skipped where nobody knows: what was not measured never passes. Warnings and notes pass and have their text as output.

use super::human;
use super::v1::{Finding, Migration, Report, Severity, Statement};
use super::view::places::{Repeats, message, own_place, prose, ranked};
use super::view::{self, Tone};
use super::visible::{clip, visible, visible_lines};
use crate::check::{Answer, KINDS};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use std::collections::HashMap;
use std::io;

/// Bytes a report may have: GitLab reads files below 30 MB.
pub const BYTE_BUDGET: usize = 20_000_000;

/// Room for the case that says how many are left out, and for the tags of a suite.
const TAIL: usize = 1_000;

/// Characters of a statement, and of the evidence, in a failing case.
const LONG: usize = 4_000;

/// Name of the suite for what belongs to no migration.
const WHOLE_RUN: &str = "whole run";

type Xml = Writer<Vec<u8>>;

/// One test case.
struct Case {
    name: String,
    /// File and line.
    place: Option<(String, usize)>,
    end: End,
}

/// How a case ends.
enum End {
    /// With output, where there is any.
    Passed(String),
    /// Message, kind and text.
    Failed(String, String, String),
    /// The run itself broke off: why.
    Broken(String),
    /// Why.
    Skipped(String),
}

/// One suite, whose name is also the class of its cases.
struct Suite {
    name: String,
    seconds: f64,
    cases: Vec<Case>,
}

/// Every finding and answer, in one document.
pub fn render(report: &Report) -> String {
    let suites = suites(report);
    let written = document(report, &suites).expect("writing to memory cannot fail");
    String::from_utf8(written).expect("what is written was text")
}

fn suites(report: &Report) -> Vec<Suite> {
    let at: HashMap<usize, (usize, &Statement)> = report
        .migrations
        .iter()
        .enumerate()
        .flat_map(|(position, migration)| migration.statements.iter().map(move |each| (each.index, (position, each))))
        .collect();
    let whole_run = report.migrations.len();
    let place = |finding: &Finding| finding.statement.and_then(|index| at.get(&index)).copied();
    let mut counting: Vec<Vec<&Finding>> = vec![Vec::new(); whole_run];
    for finding in report.findings.iter().filter(|finding| finding.counts()) {
        if let Some((position, _)) = place(finding) {
            counting[position].push(finding);
        }
    }
    let named = |(migration, counting): (&Migration, &Vec<&Finding>)| {
        let milliseconds: f64 = migration.statements.iter().map(|statement| statement.duration_ms).sum();
        Suite {
            name: visible(&view::migration_label(migration)).into_owned(),
            seconds: milliseconds / 1e3,
            cases: answers_of(report, migration, counting),
        }
    };
    let mut suites: Vec<Suite> = report.migrations.iter().zip(&counting).map(named).collect();
    suites.push(Suite { name: WHOLE_RUN.to_owned(), seconds: report.duration_ms / 1e3, cases: answers(report) });
    let ranked = ranked(report);
    // Answers are never left out.
    let answers = |suite: &Suite| TAIL + suite.cases.iter().map(|case| length(&suite.name, case)).sum::<usize>();
    let mut size = TAIL + suites.iter().map(answers).sum::<usize>();
    // Of two cases with the same class and name one is passed over.
    let mut repeats = Repeats::default();
    for (position, finding) in ranked.iter().enumerate() {
        let here = place(finding);
        let suite = here.map_or(whole_run, |(position, _)| position);
        let class = &suites[suite].name;
        let name = repeats.distinct(format!("{class}\n{}", visible(&finding.id)), " (", ")");
        let name = name[class.len() + 1..].to_owned();
        let case = case(name, finding, here.map(|(_, statement)| statement));
        size += length(class, &case);
        if size > BYTE_BUDGET {
            suites[whole_run].cases.push(left_out(&ranked[position..]));
            break;
        }
        suites[suite].cases.push(case);
    }
    suites
}

/// The question a finding bears on; that of one this version does not know is none.
fn bears_on(finding: &Finding, answer: Answer) -> bool {
    KINDS.iter().any(|kind| kind.id == finding.id && kind.answer == answer)
}

/// An answer as a case: none where an error that counts tells it.
fn answer(told: &[&Finding], answer: Answer, tone: Tone, word: &str, why: &str) -> Option<Case> {
    let failing = |finding: &&&Finding| finding.severity == Severity::Error && bears_on(finding, answer);
    if told.iter().any(|finding| failing(&finding)) {
        return None;
    }
    let end = match tone {
        Tone::Unknown if why.trim().is_empty() => End::Skipped("unknown".to_owned()),
        Tone::Unknown => End::Skipped(prose(&format!("unknown: {why}"))),
        Tone::Good | Tone::Caution | Tone::Bad => End::Passed(word.to_owned()),
    };
    Some(Case { name: answer.name().to_owned(), place: None, end })
}

const QUESTIONS: [Answer; 4] = [Answer::Applies, Answer::Blocks, Answer::Slower, Answer::Undoable];

fn answers_of(report: &Report, migration: &Migration, told: &[&Finding]) -> Vec<Case> {
    let run = view::answers(report);
    let cells = view::migration_cells(migration).into_iter().zip(run);
    let cases = QUESTIONS.into_iter().zip(cells).filter_map(|(question, ((tone, word), run))| {
        let why = if run.tone == Tone::Unknown { run.summary } else { "not measured for this migration" };
        answer(told, question, tone, &word, why)
    });
    cases.collect()
}

/// Those of the whole run: an error about any migration tells them, too.
fn answers(report: &Report) -> Vec<Case> {
    let told: Vec<&Finding> = report.findings.iter().filter(|finding| finding.counts()).collect();
    let cases = QUESTIONS.into_iter().zip(view::answers(report)).filter_map(|(question, line)| {
        let word = prose(&format!("{}: {}", line.word, line.summary));
        answer(&told, question, line.tone, &word, line.summary)
    });
    let mut cases: Vec<Case> = cases.collect();
    if !report.complete {
        let end = End::Broken("The run did not get to its end: what is missing is unknown, not fine.".to_owned());
        cases.push(Case { name: "complete".to_owned(), place: None, end });
    }
    cases
}

fn case(name: String, finding: &Finding, statement: Option<&Statement>) -> Case {
    let place = own_place(finding).map(|place| (visible(place.file).into_owned(), place.line));
    let end = match (&finding.suppressed_by, finding.severity) {
        (Some(reason), _) => End::Skipped(format!("allowed: {}", prose(reason))),
        (None, Severity::Error) => End::Failed(
            prose(&finding.message).replace('\n', " "),
            visible(&finding.id).into_owned(),
            failure(finding, statement),
        ),
        (None, severity) => End::Passed(format!("{}: {}", severity.name(), message(finding))),
    };
    Case { name, place, end }
}

/// Where, what to do instead, the statement, and the numbers.
fn failure(finding: &Finding, statement: Option<&Statement>) -> String {
    let mut parts = Vec::new();
    // One outside the repository is told by the message.
    let inside = own_place(finding).and_then(|_| view::location(finding));
    parts.extend(inside.map(|place| visible(&place).into_owned()));
    parts.push(message(finding));
    parts.extend(statement.filter(|each| !each.sql.trim().is_empty()).map(|each| long(each.sql.trim_end())));
    if !finding.evidence.is_empty() {
        let evidence = serde_json::to_string_pretty(&finding.evidence);
        parts.push(long(&evidence.expect("string keys, and writing to memory cannot fail")));
    }
    parts.join("\n\n")
}

fn long(text: &str) -> String {
    // No more than can be seen: what is cut is not looked at.
    let some: String = text.chars().take(LONG).collect();
    let lines: Vec<String> = visible_lines(&some).map(std::borrow::Cow::into_owned).collect();
    clip(&lines.join("\n"), LONG).into_owned()
}

/// Stands for what did not fit, and fails if any of it would.
fn left_out(rest: &[&Finding]) -> Case {
    let told = format!("{} in the full report", human::more(rest.len(), "finding"));
    let failing = rest.iter().any(|finding| finding.counts() && finding.severity == Severity::Error);
    let end = if failing { End::Failed(told.clone(), "more".to_owned(), told) } else { End::Passed(told) };
    Case { name: "more".to_owned(), place: None, end }
}

fn length(class: &str, case: &Case) -> usize {
    let mut xml = Writer::new(Vec::new());
    write_case(&mut xml, class, case).expect("writing to memory cannot fail");
    xml.into_inner().len() + 100 // Line ends and what indents them.
}

fn count(cases: &[&Case], which: fn(&End) -> bool) -> String {
    cases.iter().filter(|case| which(&case.end)).count().to_string()
}

/// Tests, failures, errors, skipped, with the names of their attributes.
fn counts(cases: &[&Case]) -> [(&'static str, String); 4] {
    [
        ("tests", cases.len().to_string()),
        ("failures", count(cases, |end| matches!(end, End::Failed(..)))),
        ("errors", count(cases, |end| matches!(end, End::Broken(_)))),
        ("skipped", count(cases, |end| matches!(end, End::Skipped(_)))),
    ]
}

fn document(report: &Report, suites: &[Suite]) -> io::Result<Vec<u8>> {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all: Vec<&Case> = suites.iter().flat_map(|suite| &suite.cases).collect();
    let mut root = xml.create_element("testsuites").with_attribute(("name", "seatrial"));
    for (name, value) in &counts(&all) {
        root = root.with_attribute((*name, value.as_str()));
    }
    root = root.with_attribute(("time", seconds(report.duration_ms / 1e3).as_str()));
    root.write_inner_content(|xml| suites.iter().try_for_each(|suite| write_suite(xml, report, suite)))?;
    let mut out = xml.into_inner();
    out.push(b'\n');
    Ok(out)
}

fn write_suite(xml: &mut Xml, report: &Report, suite: &Suite) -> io::Result<()> {
    let cases: Vec<&Case> = suite.cases.iter().collect();
    let mut element = xml.create_element("testsuite").with_attribute(("name", allowed(&suite.name).as_str()));
    for (name, value) in &counts(&cases) {
        element = element.with_attribute((*name, value.as_str()));
    }
    element = element.with_attribute(("time", seconds(suite.seconds).as_str()));
    element = element.with_attribute(("timestamp", visible(&report.started_at).as_ref()));
    element.write_inner_content(|xml| suite.cases.iter().try_for_each(|case| write_case(xml, &suite.name, case)))?;
    Ok(())
}

fn write_case(xml: &mut Xml, class: &str, case: &Case) -> io::Result<()> {
    let mut element = xml
        .create_element("testcase")
        .with_attribute(("classname", allowed(class).as_str()))
        .with_attribute(("name", allowed(&case.name).as_str()));
    if let Some((file, line)) = &case.place {
        element = element.with_attribute(("file", allowed(file).as_str()));
        element = element.with_attribute(("line", line.to_string().as_str()));
    }
    match &case.end {
        End::Passed(output) if output.is_empty() => element.write_empty()?,
        End::Passed(output) => element.write_inner_content(|xml| {
            xml.create_element("system-out").write_text_content(BytesText::new(&allowed(output))).map(drop)
        })?,
        End::Failed(message, kind, text) => element.write_inner_content(|xml| {
            let failure = xml.create_element("failure").with_attribute(("message", allowed(message).as_str()));
            let failure = failure.with_attribute(("type", allowed(kind).as_str()));
            failure.write_text_content(BytesText::new(&allowed(text))).map(drop)
        })?,
        End::Broken(message) => element.write_inner_content(|xml| {
            xml.create_element("error").with_attribute(("message", allowed(message).as_str())).write_empty().map(drop)
        })?,
        End::Skipped(why) => element.write_inner_content(|xml| {
            let why = allowed(&why.replace('\n', " "));
            xml.create_element("skipped").with_attribute(("message", why.as_str())).write_empty().map(drop)
        })?,
    };
    Ok(())
}

/// Without what XML 1.0 forbids even as a reference. Controls are shown as text by now, and no `str` holds a surrogate: two
/// characters are left.
fn allowed(text: &str) -> String {
    text.replace('\u{fffe}', "\\u{fffe}").replace('\u{ffff}', "\\u{ffff}")
}

fn seconds(seconds: f64) -> String {
    // The sum of nothing is below zero.
    format!("{:.3}", if seconds.is_finite() && seconds > 0.0 { seconds } else { 0.0 })
}
