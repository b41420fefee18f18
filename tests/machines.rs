//! Formats for machines: SARIF, JUnit, GitHub's annotations, GitLab's code quality. Saved reports, no server.

#[path = "support/large.rs"]
mod large;

use flate2::Compression;
use flate2::write::GzEncoder;
use quick_xml::Reader;
use quick_xml::events::Event;
use seatrial::report::v1::{Confidence, Finding, Report, Severity};
use seatrial::report::visible::is_unprintable;
use seatrial::report::{FORMATS, Format, RenderOptions, github, gitlab, junit, markdown, render, sarif};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

const RECORDINGS: [&str; 5] = ["clean", "failed", "hostile", "regressed", "unknown"];
const MACHINES: [Format; 4] = [Format::Sarif, Format::Junit, Format::Github, Format::Gitlab];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn recording(name: &str) -> Report {
    let text = std::fs::read_to_string(root().join(format!("tests/recordings/{name}.json"))).expect("readable");
    Report::from_json(&text).unwrap_or_else(|error| panic!("{name}.json: {error}"))
}

fn rendered(report: &Report, format: Format) -> String {
    render(report, format, &RenderOptions::default())
}

fn json_of(report: &Report, format: Format) -> Value {
    serde_json::from_str(&rendered(report, format)).expect("JSON")
}

/// Every recording, one with all that is awkward at once, one with nothing in it, and the largest.
fn all() -> Vec<(String, Report)> {
    let mut all: Vec<(String, Report)> = RECORDINGS.iter().map(|name| ((*name).to_owned(), recording(name))).collect();
    all.push(("awkward".to_owned(), awkward()));
    let mut empty = recording("unknown");
    (empty.findings, empty.migrations, empty.queries) = (vec![], vec![], vec![]);
    all.push(("empty".to_owned(), empty));
    all.push(("large".to_owned(), large::report()));
    all
}

/// What the machines would read otherwise than it is meant.
const HOSTILE: &str =
    "a\u{fffe}\u{ffff}\u{0}\u{1b}[31m\r\n::error::b\r##[add-path]c\u{2028}]]>&lt;<b>{0} [d](1) %0A::e";

/// A report whose every text is hostile, with findings of no file, allowed ones, and numbers that make no sense.
fn awkward() -> Report {
    let mut report = recording("regressed");
    for (n, finding) in report.findings.iter_mut().enumerate() {
        (finding.message, finding.advice) = (HOSTILE.to_owned(), HOSTILE.to_owned());
        finding.objects = vec![HOSTILE.to_owned()];
        finding.evidence.insert(HOSTILE.to_owned(), json!(HOSTILE));
        match n % 4 {
            0 => finding.file = Some(format!("migrations/{HOSTILE}")),
            1 => (finding.line, finding.end_line, finding.column) = (Some(0), Some(0), Some(0)),
            2 => (finding.file, finding.line, finding.end_line, finding.statement) = (None, None, None, None),
            _ => finding.suppressed_by = Some(HOSTILE.to_owned()),
        }
    }
    report.findings[0].id = HOSTILE.to_owned();
    report.migrations[0].name = HOSTILE.to_owned();
    report.migrations[0].statements[0].sql = HOSTILE.to_owned();
    report.answers.slower.summary = HOSTILE.to_owned();
    (report.duration_ms, report.started_at) = (f64::MAX, "yesterday".to_owned());
    report
}

#[test]
fn every_format_for_machines_reads_well() {
    for name in RECORDINGS {
        let mut report = recording(name);
        if name == "hostile" {
            report.findings.truncate(2);
            report.migrations.truncate(2);
        }
        for (format_name, format) in FORMATS.into_iter().filter(|(_, format)| MACHINES.contains(format)) {
            insta::assert_snapshot!(format!("{name}_{format_name}"), rendered(&report, format));
        }
    }
}

#[test]
fn nothing_a_terminal_acts_on_is_in_any_of_them() {
    for (name, report) in all().into_iter().filter(|(name, _)| name != "large") {
        for format in MACHINES {
            let text = rendered(&report, format);
            let found = text.chars().find(|character| *character != '\n' && is_unprintable(*character));
            assert_eq!(found, None, "{name} as {format:?}");
        }
    }
}

/// The schema of the standard, with formats such as `uri-reference` and `date-time` checked, too.
fn sarif_schema() -> impl Fn(&Value) -> Result<(), String> {
    let text = std::fs::read_to_string(root().join("tests/schemas/sarif-2.1.0.json")).expect("the schema");
    let mut compiler = boon::Compiler::new();
    compiler.enable_format_assertions();
    compiler.add_resource("sarif.json", serde_json::from_str(&text).expect("JSON")).expect("a schema");
    let mut schemas = boon::Schemas::new();
    let index = compiler.compile("sarif.json", &mut schemas).expect("a schema that compiles");
    move |value: &Value| schemas.validate(value, index).map_err(|error| format!("{error:#}"))
}

#[test]
fn sarif_is_what_the_standard_s_schema_asks_for() {
    let valid = sarif_schema();
    for (name, report) in all() {
        let log = json_of(&report, Format::Sarif);
        if let Err(error) = valid(&log) {
            panic!("{name}: {error:.3000}");
        }
    }
    // The schema sees what is wrong.
    let good = json_of(&recording("regressed"), Format::Sarif);
    let wrong: [(&str, Value); 5] = [
        ("/runs/0/results/0/level", json!("fatal")),
        ("/runs/0/results/0/locations/0/physicalLocation/region/startLine", json!(0)),
        ("/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri", json!("a b\\c")),
        ("/runs/0/invocations/0/startTimeUtc", json!("yesterday")),
        ("/runs/0/tool/driver", json!({})),
    ];
    for (pointer, value) in wrong {
        let mut log = good.clone();
        *log.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is there")) = value;
        assert!(valid(&log).is_err(), "{pointer}");
    }
}

#[test]
fn every_result_of_sarif_has_its_rule_a_place_and_a_fingerprint_of_its_own() {
    for (name, report) in all() {
        let log = json_of(&report, Format::Sarif);
        let run = &log["runs"][0];
        let (rules, results) = (run["tool"]["driver"]["rules"].as_array(), run["results"].as_array());
        let (rules, results) = (rules.expect("rules"), results.expect("results"));
        assert_eq!(results.len(), report.findings.len().min(sarif::RESULTS), "{name}");
        let mut fingerprints = BTreeSet::new();
        let mut ranks = Vec::new();
        for result in results {
            let rule = &rules[result["ruleIndex"].as_u64().expect("an index") as usize];
            assert_eq!(rule["id"], result["ruleId"], "{name}");
            let place = &result["locations"][0]["physicalLocation"];
            let uri = place["artifactLocation"]["uri"].as_str().expect("a file");
            assert!(!uri.is_empty() && !uri.starts_with('/') && !uri.contains([' ', ':', '<']), "{name}: {uri}");
            assert_eq!(place["artifactLocation"]["uriBaseId"], "%SRCROOT%");
            assert!(place["region"]["startLine"].as_u64() >= Some(1));
            assert!(fingerprints.insert(result["partialFingerprints"]["seatrial/v1"].to_string()), "{name}: {result}");
            let rank = ["error", "warning", "note"].iter().position(|level| result["level"] == *level);
            ranks.push((result["suppressions"] != json!([]), rank.expect("a level")));
        }
        assert!(ranks.is_sorted(), "{name}: worst first");
        for rule in rules {
            assert!(rule["help"]["markdown"].as_str().is_some_and(|text| text.len() > 40), "{rule}");
            assert!(rule["properties"]["tags"].as_array().expect("tags").len() <= 20);
        }
        let rules: BTreeSet<String> = rules.iter().map(|rule| rule["id"].to_string()).collect();
        let found: BTreeSet<String> = results.iter().map(|result| result["ruleId"].to_string()).collect();
        assert_eq!(rules, found, "{name}: rules are those of the results");
        assert_eq!(run["invocations"][0]["executionSuccessful"], json!(report.complete));
    }
}

#[test]
fn sarif_tells_what_is_allowed_and_where_the_hot_query_is() {
    let mut report = recording("regressed");
    let at = report.findings.iter().position(|finding| finding.query.is_some()).expect("one with a query");
    report.findings[at].suppressed_by = Some("nobody asks".to_owned());
    let log = json_of(&report, Format::Sarif);
    let results = log["runs"][0]["results"].as_array().expect("results");
    let counting = report.findings.iter().filter(|finding| finding.counts()).count();
    assert!(results[..counting].iter().all(|result| result["suppressions"] == json!([])));
    let reason = json!([{ "kind": "inSource", "justification": "nobody asks" }]);
    let allowed = results[counting..].iter().find(|result| result["suppressions"] == reason).expect("it stands last");
    let related = &allowed["relatedLocations"][0];
    assert_eq!(related["physicalLocation"]["artifactLocation"]["uri"], "queries/shop.sql");
    assert!(related["message"]["text"].as_str().is_some_and(|text| text.starts_with("hot query ")));
    assert_eq!(log["runs"][0]["invocations"][0]["endTimeUtc"], "2026-11-22T12:01:14.203Z");
}

/// A finding of no file is shown where people look, which is the first migration; without one where it is configured.
#[test]
fn what_has_no_place_is_shown_at_the_first_migration() {
    let mut report = recording("unknown");
    let places = |report: &Report| -> BTreeSet<String> {
        let sarif = json_of(report, Format::Sarif);
        let results = sarif["runs"][0]["results"].as_array().expect("results").clone();
        let of_sarif = results.iter().map(|result| {
            let place = &result["locations"][0]["physicalLocation"];
            format!("{}:{}", place["artifactLocation"]["uri"].as_str().expect("one"), place["region"]["startLine"])
        });
        let gitlab = json_of(report, Format::Gitlab);
        let entries = gitlab.as_array().expect("entries").clone();
        let of_gitlab = entries.iter().map(|entry| {
            format!("{}:{}", entry["location"]["path"].as_str().expect("one"), entry["location"]["lines"]["begin"])
        });
        of_sarif.chain(of_gitlab).collect()
    };
    assert!(report.findings.iter().all(|finding| finding.file.is_none()));
    assert_eq!(places(&report), BTreeSet::from(["db/001_split_names.sql:1".to_owned()]));
    let outside = "../../etc/passwd".to_owned();
    report.findings[0].severity = Severity::Error;
    (report.findings[0].file, report.findings[0].line) = (Some(outside.clone()), Some(3));
    assert_eq!(places(&report), BTreeSet::from(["db/001_split_names.sql:1".to_owned()]));
    for format in MACHINES {
        let text = rendered(&report, format);
        assert!(text.contains("In: ../../etc/passwd:3") && text.matches(&outside).count() == 1, "{format:?}: {text}");
    }
    report.migrations.clear();
    assert_eq!(places(&report), BTreeSet::from(["seatrial.toml:1".to_owned()]));
}

/// An element of XML.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    fn number(&self, name: &str) -> usize {
        self.attributes[name].parse().unwrap_or_else(|_| panic!("{name} of {self:?}"))
    }
}

/// Reads XML with a parser that refuses what is not well-formed, and characters that XML 1.0 forbids.
fn xml(text: &str) -> Element {
    let allowed = |character: char| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}');
    assert_eq!(text.chars().find(|character| !allowed(*character)), None);
    let mut reader = Reader::from_str(text);
    let mut open = vec![Element::default()];
    let element = |start: &quick_xml::events::BytesStart<'_>| Element {
        name: start.name().as_ref().to_owned(),
        attributes: start
            .attributes()
            .map(|attribute| {
                let attribute = attribute.expect("an attribute");
                let value: &str = &attribute.value;
                assert!(!value.contains('<'), "{value}");
                let key = attribute.key.as_ref().to_owned();
                (key, quick_xml::escape::unescape(value).expect("known references").into_owned())
            })
            .collect(),
        ..Element::default()
    };
    loop {
        let top = open.len() - 1;
        match reader.read_event().unwrap_or_else(|error| panic!("{error}: {text:.2000}")) {
            Event::Start(start) => open.push(element(&start)),
            Event::Empty(start) => open[top].children.push(element(&start)),
            Event::End(_) => {
                let closed = open.pop().expect("open");
                open[top - 1].children.push(closed);
            }
            Event::Text(piece) => open[top].text.push_str(&piece),
            Event::GeneralRef(piece) => {
                let reference = format!("&{};", &*piece);
                open[top].text.push_str(&quick_xml::escape::unescape(&reference).expect("a known reference"));
            }
            Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("unexpected: {other:?}"),
        }
    }
    let mut outside = open.pop().expect("what is outside of everything");
    assert!(open.is_empty() && outside.children.len() == 1, "one element, closed");
    outside.children.remove(0)
}

fn junit_of(report: &Report) -> Element {
    xml(&rendered(report, Format::Junit))
}

#[test]
fn junit_is_well_formed_and_its_counts_are_those_of_its_cases() {
    for (name, report) in all() {
        let suites = junit_of(&report);
        assert_eq!(suites.name, "testsuites");
        assert_eq!(
            suites.children.len(),
            report.migrations.len() + 1,
            "{name}: a suite for each migration, and one more"
        );
        let mut totals = [0; 4];
        let mut names = BTreeSet::new();
        for suite in &suites.children {
            assert_eq!(suite.name, "testsuite");
            let time = &suite.attributes["time"];
            assert!(!time.starts_with('-') && time.parse::<f64>().is_ok_and(f64::is_finite), "{name}: {time}");
            assert!(suite.children.iter().all(|case| case.name == "testcase"), "{name}");
            for case in &suite.children {
                let known = ["classname", "file", "line", "name"];
                assert!(case.attributes.keys().all(|key| known.contains(&key.as_str())), "{case:?}");
                assert_eq!(case.attributes["classname"], suite.attributes["name"]);
                let key = (case.attributes["classname"].clone(), case.attributes["name"].clone());
                assert!(names.insert(key), "{name}: two cases of one name: {case:?}");
                assert!(case.children.len() <= 1, "{case:?}");
                assert!(case.children.iter().all(|end| {
                    ["failure", "error", "skipped", "system-out"].contains(&end.name.as_str())
                        && end.children.is_empty()
                }));
            }
            let ended = |how: &str| suite.children.iter().filter(|case| case.named(how).next().is_some()).count();
            let counted = [suite.children.len(), ended("failure"), ended("error"), ended("skipped")];
            for (n, key) in ["tests", "failures", "errors", "skipped"].into_iter().enumerate() {
                assert_eq!(suite.number(key), counted[n], "{name}: {key}");
                totals[n] += counted[n];
            }
        }
        for (n, key) in ["tests", "failures", "errors", "skipped"].into_iter().enumerate() {
            assert_eq!(suites.number(key), totals[n], "{name}: {key}");
        }
        let errors = report.findings.iter().filter(|each| each.counts() && each.severity == Severity::Error).count();
        assert_eq!(suites.number("failures"), errors, "{name}: one failing case for each error that counts");
        assert_eq!(suites.number("errors"), usize::from(!report.complete), "{name}");
    }
}

/// Cases of a suite by name, with how each ended.
fn ends(suite: &Element) -> BTreeMap<String, String> {
    let end = |case: &Element| case.children.first().map_or("passed", |end| end.name.as_str()).to_owned();
    suite.children.iter().map(|case| (case.attributes["name"].clone(), end(case))).collect()
}

#[test]
fn in_junit_what_is_unknown_never_passes() {
    let suites = junit_of(&recording("unknown"));
    for suite in &suites.children {
        let ends = ends(suite);
        for answer in ["applies", "blocks", "slower", "undoable"] {
            assert_eq!(ends[answer], "skipped", "{}: {ends:?}", suite.attributes["name"]);
        }
    }
    assert_eq!(ends(suites.children.last().expect("one"))["complete"], "error");
    for (name, report) in all() {
        for (migration, suite) in report.migrations.iter().zip(&junit_of(&report).children) {
            let ends = ends(suite);
            let words = [
                ("applies", migration.applies.name()),
                ("blocks", migration.blocks.name()),
                ("slower", migration.slower.name()),
                ("undoable", migration.undoable.name()),
            ];
            for (answer, word) in words {
                let end = ends.get(answer).map(String::as_str);
                assert!(end.is_none() || (word == "unknown") == (end == Some("skipped")), "{name}: {answer}: {end:?}");
            }
        }
    }
}

#[test]
fn in_junit_an_error_takes_the_place_of_its_answer() {
    let suites = junit_of(&recording("regressed"));
    let dropped = ends(&suites.children[0]);
    assert_eq!(dropped["plan/regressed"], "failure");
    assert_eq!(dropped["plan/regressed (2)"], "failure");
    assert!(!dropped.contains_key("slower"), "{dropped:?}");
    assert_eq!((dropped["applies"].as_str(), dropped["blocks"].as_str()), ("system-out", "system-out"));
    let run = ends(suites.children.last().expect("the whole run"));
    assert!(!run.contains_key("blocks") && !run.contains_key("slower") && run.contains_key("applies"), "{run:?}");

    let mut allowed = recording("regressed");
    allowed.findings.iter_mut().for_each(|finding| finding.suppressed_by = Some("nobody waits".to_owned()));
    let suites = junit_of(&allowed);
    assert_eq!(suites.number("failures"), 0);
    assert_eq!(suites.number("skipped"), allowed.findings.len());
    let case = suites.children[0].children.iter().find(|case| case.attributes["name"] == "plan/regressed");
    assert_eq!(case.expect("it is there").children[0].attributes["message"], "allowed: nobody waits");
}

#[test]
fn a_failing_case_has_place_statement_advice_and_evidence() {
    let report = recording("regressed");
    let finding = report.findings.iter().find(|finding| finding.id == "lock/table-rewrite").expect("one");
    let suites = junit_of(&report);
    let cases = suites.children.iter().flat_map(|suite| &suite.children);
    let case = cases.into_iter().find(|case| case.attributes["name"] == finding.id).expect("its case");
    assert_eq!(case.attributes.get("file"), finding.file.as_ref());
    assert_eq!(case.number("line"), finding.line.expect("one"));
    let failure = &case.children[0];
    assert_eq!(failure.attributes["message"], finding.message);
    assert_eq!(failure.attributes["type"], finding.id);
    for told in [finding.advice.as_str(), "ALTER TABLE payments", "\"held_ms\": 2331.0"] {
        assert!(failure.text.contains(told), "{told}: {}", failure.text);
    }
}

/// What GitHub's runner makes of a line: it begins with `::`, or holds `##[`.
fn command(line: &str) -> Option<(String, BTreeMap<String, String>, String)> {
    let unescape = |text: &str, all: bool| {
        let text = text.replace("%0D", "\r").replace("%0A", "\n");
        let text = if all { text.replace("%3A", ":").replace("%2C", ",") } else { text };
        text.replace("%25", "%")
    };
    let (info, data) = line.trim_start().strip_prefix("::")?.split_once("::")?;
    let (name, properties) = info.split_once(' ').unwrap_or((info, ""));
    let properties = properties.split(',').filter_map(|pair| pair.split_once('='));
    let properties = properties.map(|(key, value)| (key.to_owned(), unescape(value, true))).collect();
    Some((name.to_owned(), properties, unescape(data, false)))
}

#[test]
fn every_line_for_github_is_one_annotation_and_nothing_else() {
    for (name, report) in all() {
        for databases in [1, 3, 40] {
            let text = render(&report, Format::Github, &RenderOptions { databases, ..RenderOptions::default() });
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            for line in text.split(['\n', '\r']).filter(|line| !line.is_empty()) {
                let (kind, properties, message) = command(line).unwrap_or_else(|| panic!("{name}: {line}"));
                assert!(["error", "warning", "notice"].contains(&kind.as_str()), "{name}: {line}");
                assert!(!line.contains("##["), "{name}: {line}");
                let known = ["col", "endLine", "file", "line", "title"];
                assert!(properties.keys().all(|key| known.contains(&key.as_str())), "{name}: {properties:?}");
                assert!(!message.is_empty() && message.chars().count() <= 4_096, "{name}");
                *counts.entry(kind).or_default() += 1;
            }
            let limit = (github::ANNOTATIONS / databases).max(1);
            assert!(counts.values().all(|count| *count <= limit), "{name} of {databases}: {counts:?}");
            assert!(counts.values().sum::<usize>() <= 50);
            let severities = [("error", Severity::Error), ("warning", Severity::Warning)];
            for (kind, severity) in severities {
                let found = report.findings.iter().filter(|each| each.counts() && each.severity == severity).count();
                let told = counts.get(kind).copied().unwrap_or_default();
                assert_eq!(told, found.min(limit), "{name}: {kind}");
            }
        }
    }
}

#[test]
fn github_is_told_the_worst_and_how_many_are_left_out() {
    let report = large::report();
    let text = rendered(&report, Format::Github);
    let errors: Vec<_> = text.lines().filter_map(command).filter(|(kind, ..)| kind == "error").collect();
    let found = report.findings.iter().filter(|each| each.counts() && each.severity == Severity::Error).count();
    let (_, properties, last) = errors.last().expect("one");
    assert_eq!(last, &format!("{},{:03} more errors in the full report", (found - 9) / 1000, (found - 9) % 1000));
    assert!(!properties.contains_key("file"));
    let (_, properties, message) = &errors[0];
    let first = report.findings.iter().filter(|each| each.counts() && each.severity == Severity::Error);
    let first = first.min_by_key(|each| each.statement.unwrap_or(usize::MAX)).expect("one");
    assert_eq!(properties.get("file"), first.file.as_ref());
    assert_eq!(properties["title"], first.id);
    assert!(message.starts_with(first.message.lines().next().expect("a line")), "{message}");

    // A place is told as the runner reads it, and none where there is none.
    let unknown = rendered(&recording("unknown"), Format::Github);
    assert!(unknown.lines().filter_map(command).all(|(_, properties, _)| !properties.contains_key("file")));
    let notice = unknown.lines().find_map(command).expect("the run");
    assert!(
        notice.0 == "notice" && notice.2.contains("? Applies? unknown") && notice.2.contains("not fine"),
        "{notice:?}"
    );
}

#[test]
fn gitlab_is_told_each_finding_once_and_by_what_it_is() {
    for (name, report) in all() {
        let value = json_of(&report, Format::Gitlab);
        let entries = value.as_array().expect("an array");
        let counting: Vec<&Finding> = report.findings.iter().filter(|finding| finding.counts()).collect();
        assert_eq!(entries.len(), counting.len(), "{name}");
        let mut fingerprints = BTreeSet::new();
        for entry in entries {
            let keys: Vec<&String> = entry.as_object().expect("an object").keys().collect();
            assert_eq!(keys, ["description", "check_name", "fingerprint", "severity", "location"]);
            assert!(entry["check_name"].as_str().is_some_and(|name| name.starts_with("seatrial/")));
            assert!(fingerprints.insert(entry["fingerprint"].to_string()), "{name}: {entry}");
            assert!(["critical", "major", "minor", "info"].iter().any(|severity| entry["severity"] == *severity));
            assert!(!entry["description"].as_str().expect("text").contains('\n'));
            let path = entry["location"]["path"].as_str().expect("a path");
            assert!(!path.is_empty() && !path.starts_with('/') && !path.contains(".."), "{path}");
            assert!(entry["location"]["lines"]["begin"].as_u64() >= Some(1));
        }
    }
}

#[test]
fn neither_lines_nor_numbers_move_a_fingerprint() {
    let prints = |report: &Report, format: Format| -> BTreeSet<String> {
        let value = json_of(report, format);
        let (list, pointer) = match format {
            Format::Gitlab => (value.as_array().cloned(), "/fingerprint"),
            _ => (value["runs"][0]["results"].as_array().cloned(), "/partialFingerprints/seatrial~1v1"),
        };
        list.expect("a list").iter().map(|each| each.pointer(pointer).expect("one").to_string()).collect()
    };
    let before = recording("regressed");
    let mut moved = before.clone();
    for finding in &mut moved.findings {
        (finding.line, finding.end_line, finding.column) = (Some(99), Some(100), Some(7));
        finding.message = finding.message.replace(|character: char| character.is_ascii_digit(), "7");
        finding.evidence.clear();
        finding.fingerprint = "of another version".to_owned();
    }
    let mut renamed = before.clone();
    renamed.findings[0].objects = vec!["public.other".to_owned()];
    for format in [Format::Gitlab, Format::Sarif] {
        assert_eq!(prints(&before, format), prints(&moved, format), "{format:?}");
        assert_ne!(prints(&before, format), prints(&renamed, format), "{format:?}");
    }
}

#[test]
fn gitlab_s_severities_keep_what_was_measured_apart() {
    let mut report = recording("regressed");
    report.findings.truncate(1);
    let mut severity = |severity, confidence| {
        (report.findings[0].severity, report.findings[0].confidence) = (severity, confidence);
        json_of(&report, Format::Gitlab)[0]["severity"].as_str().map(str::to_owned)
    };
    assert_eq!(severity(Severity::Error, Confidence::Measured).as_deref(), Some("critical"));
    assert_eq!(severity(Severity::Error, Confidence::Predicted).as_deref(), Some("major"));
    assert_eq!(severity(Severity::Warning, Confidence::Measured).as_deref(), Some("minor"));
    assert_eq!(severity(Severity::Info, Confidence::Measured).as_deref(), Some("info"));
}

fn gzipped(text: &str) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("written");
    encoder.finish().expect("written").len()
}

/// Ten thousand findings and 5 MB of plans, and the same with texts that are as long as they come and hardly compress.
#[test]
fn the_largest_report_is_within_every_limit() {
    let report = large::report();
    assert_eq!(report.findings.len(), large::FINDINGS);
    let plans = report.queries.iter().flat_map(|query| [&query.before, &query.after]).flatten();
    let bytes: usize = plans.map(|summary| serde_json::to_string(&summary.plan).expect("JSON").len()).sum();
    assert!(bytes >= large::PLAN_BYTES, "{bytes}");
    let mut longest = report.clone();
    let mut state = 1_u64;
    let mut noise = || {
        let character = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from_u32(0x4e00 + (state >> 33) as u32 % 0x5000).expect("a character")
        };
        std::iter::repeat_with(character).take(1_300).collect::<String>()
    };
    for finding in &mut longest.findings {
        (finding.message, finding.advice) = (noise(), noise());
        finding.severity = Severity::Error;
    }
    for (name, report) in [("many", report), ("long", longest)] {
        let text = rendered(&report, Format::Markdown);
        assert!(text.len() <= markdown::BYTE_BUDGET && text.contains("in the full report"), "{name}");

        let text = rendered(&report, Format::Sarif);
        assert!(gzipped(&text) <= 10_000_000, "{name}: {}", gzipped(&text));
        let log: Value = serde_json::from_str(&text).expect("JSON");
        let results = log["runs"][0]["results"].as_array().expect("results").len();
        assert!((1_500..=sarif::RESULTS).contains(&results), "{name}: {results}");
        let told = &log["runs"][0]["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
        let left_out = (report.findings.len() - results).to_string();
        assert!(told.as_str().is_some_and(|told| told.replace(',', "").starts_with(&left_out)), "{told}");

        let text = rendered(&report, Format::Junit);
        assert!(text.len() <= junit::BYTE_BUDGET, "{name}: {}", text.len());
        let suites = xml(&text);
        let run = suites.children.last().expect("the whole run");
        let more = run.children.iter().find(|case| case.attributes["name"] == "more");
        assert_eq!(more.is_some(), name == "long", "all of the many fit");
        assert!(more.is_none_or(|more| more.children[0].attributes["message"].ends_with("in the full report")));

        let text = rendered(&report, Format::Gitlab);
        assert!(text.len() <= gitlab::BYTE_BUDGET, "{name}: {}", text.len());
        let entries: Vec<Value> = serde_json::from_str(&text).expect("JSON");
        let last = entries.last().expect("one");
        assert_eq!(last["check_name"] == "seatrial/more", name == "long", "{last}");
    }
}

fn run(folder: &Path, arguments: &[&str], summary: Option<&Path>) -> Output {
    let saved = root().join("tests/recordings/regressed.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_seatrial"));
    command.current_dir(folder).env_clear().arg("report").arg(saved).args(arguments);
    command.envs(summary.map(|path| ("GITHUB_STEP_SUMMARY", path)));
    command.output().expect("it starts")
}

#[test]
fn many_formats_come_from_one_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = recording("regressed");
    let files = ["sarif=out.sarif", "junit=junit.xml", "gitlab=gl.json", "github=notes.txt", "json=all.json"];
    let mut arguments = vec!["--format", "text"];
    files.iter().for_each(|file| arguments.extend(["--format", file]));
    let output = run(folder.path(), &arguments, None);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("Applies?"));
    for file in files {
        let (format, name) = file.split_once('=').expect("a file");
        let written = std::fs::read_to_string(folder.path().join(name)).expect("written");
        assert_eq!(written, rendered(&report, format.parse().expect("a format")), "{file}");
    }
    let twice = run(folder.path(), &["--format", "sarif=a", "--format", "gitlab=a"], None);
    assert_eq!(twice.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&twice.stderr).contains("two formats are to be written to a"), "{twice:?}");
}

#[test]
fn the_summary_of_a_step_is_added_to_as_far_as_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let summary = folder.path().join("summary.md");
    let read = || std::fs::read_to_string(&summary).expect("readable");
    let markdown = |byte_budget| {
        render(&recording("regressed"), Format::Markdown, &RenderOptions { byte_budget, ..RenderOptions::default() })
    };

    // Only where annotations are asked for.
    assert!(run(folder.path(), &["--format", "json"], Some(&summary)).status.success());
    assert!(!summary.exists());
    let told = run(folder.path(), &["--format", "github"], Some(&summary));
    assert_eq!(String::from_utf8_lossy(&told.stdout), rendered(&recording("regressed"), Format::Github));
    assert_eq!(read(), markdown(1 << 20));

    std::fs::write(&summary, "before\n").expect("written");
    assert!(run(folder.path(), &["--format", "github=notes.txt"], Some(&summary)).status.success());
    assert_eq!(read(), format!("before\n\n{}", markdown(1 << 20)));

    let full = |left: usize| "x".repeat((1 << 20) - left);
    std::fs::write(&summary, full(5_001)).expect("written");
    assert!(run(folder.path(), &["--format", "github"], Some(&summary)).status.success());
    assert_eq!(read(), format!("{}\n{}", full(5_001), markdown(5_000)));
    assert!(read().len() <= 1 << 20);

    std::fs::write(&summary, full(1_000)).expect("written");
    let output = run(folder.path(), &["--format", "github"], Some(&summary));
    assert!(output.status.success() && !output.stdout.is_empty());
    assert_eq!(read(), full(1_000), "what does not fit is left out");
    assert!(String::from_utf8_lossy(&output.stderr).contains("no room is left in"), "{output:?}");

    let output = run(folder.path(), &["--format", "github"], Some(Path::new("/nowhere/at/all")));
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write /nowhere/at/all"), "{output:?}");
}
