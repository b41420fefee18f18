//! SARIF 2.1.0, for what shows findings of static analysis: GitHub's code scanning, editors, dashboards.
//!
//! Only what is written here is modelled ([`model`]); tests hold it to the schema of the standard.

mod model;

use super::human;
use super::read::escaped;
use super::v1::{Finding, Report, Severity};
use super::view::places::{Place, Repeats, message, place, prose, query_place, ranked};
use super::visible::visible;
use crate::check::{Answer, KINDS};
use jiff::{SignedDuration, Timestamp};
use model::*;
use std::collections::{BTreeMap, HashMap};

/// Results of a run that GitHub shows; it takes up to 25,000 and keeps the worst of them.
pub const RESULTS: usize = 5_000;

/// Bytes of all results: with rules and the rest, no more than the 10 MB that GitHub takes once it is compressed, however
/// little it can be.
const BYTE_BUDGET: usize = 9_000_000;

/// The only run of the file, pretty-printed.
pub fn render(report: &Report) -> String {
    let findings = ranked(report);
    let mut rules = Rules::default();
    let mut repeats = Repeats::default();
    let mut results = Vec::new();
    let mut size = 0;
    for finding in findings.iter().take(RESULTS) {
        let result = result(report, finding, &mut rules, &mut repeats);
        let text = escaped(&pretty(&result));
        size += text.len() + INDENTED * text.lines().count();
        if size > BYTE_BUDGET {
            break;
        }
        results.push(result);
    }
    let left_out = findings.len() - results.len();
    let log = Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: "Seatrial",
                    semantic_version: visible(&report.tool.version).into_owned(),
                    rules: rules.list,
                },
            },
            automation_details: AutomationDetails { id: "seatrial/" },
            invocations: [invocation(report, left_out)],
            original_uri_base_ids: BTreeMap::from([(
                SOURCE_ROOT,
                Base { description: Message::new("the root of the repository") },
            )]),
            column_kind: "unicodeCodePoints",
            results,
        }],
    };
    escaped(&pretty(&log)) + "\n"
}

/// Spaces before each line of a result.
const INDENTED: usize = 8;

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// Rules of the findings that occur, in the order they do.
#[derive(Default)]
struct Rules {
    list: Vec<Rule>,
    at: HashMap<String, usize>,
}

impl Rules {
    fn index(&mut self, finding: &Finding) -> usize {
        if let Some(index) = self.at.get(&finding.id) {
            return *index;
        }
        self.list.push(rule(finding));
        self.at.insert(finding.id.clone(), self.list.len() - 1);
        self.list.len() - 1
    }
}

/// What `seatrial explain` says. A report of a later version may hold ids this one knows nothing of.
fn rule(finding: &Finding) -> Rule {
    let id = visible(&finding.id).into_owned();
    let kind = KINDS.iter().find(|kind| kind.id == finding.id);
    let meaning =
        kind.map_or_else(|| "This version of Seatrial has no explanation of it.".to_owned(), |it| it.meaning());
    let words = meaning.split_whitespace().collect::<Vec<_>>().join(" ");
    let first = words.split_inclusive(". ").next().unwrap_or_default().trim().to_owned();
    // Only an id that is ours is put into Markdown.
    let more = kind.map_or_else(String::new, |kind| {
        format!("\n\n`seatrial explain {}` shows a migration that causes it and one that does not.", kind.id)
    });
    let more = meaning + &more;
    let mut tags = vec!["migration"];
    tags.extend(kind.map(|kind| kind.answer).filter(|answer| *answer != Answer::None).map(Answer::name));
    Rule {
        name: id.split(['/', '-', '_']).map(capital).collect(),
        short_description: Message::new(&first.replace('`', "")),
        help: Help { text: Message::new(&more.replace('`', "")).text, markdown: more },
        default_configuration: Configuration { level: level(kind.map_or(finding.severity, |kind| kind.severity)) },
        properties: RuleProperties { tags },
        id,
    }
}

fn capital(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

fn result(report: &Report, finding: &Finding, rules: &mut Rules, repeats: &mut Repeats) -> Finished {
    // GitHub refuses results without a location: what belongs to no file is shown at the first migration.
    let place = place(report, finding);
    let query = query_place(report, finding).filter(|query| query.file != place.file);
    let name = finding.query.as_deref().map(|name| visible(name).into_owned());
    Finished {
        rule_index: rules.index(finding),
        rule_id: visible(&finding.id).into_owned(),
        level: level(finding.severity),
        message: Message::new(&message(finding)),
        locations: [Location { id: None, physical_location: physical(place), message: None }],
        related_locations: query
            .map(|query| Location {
                id: Some(1),
                physical_location: physical(query),
                message: Some(Message::new(&format!("hot query {}", name.as_deref().unwrap_or_default()))),
            })
            .into_iter()
            .collect(),
        partial_fingerprints: Fingerprints { ours: repeats.distinct(fingerprint(finding), ":", "") },
        suppressions: finding
            .suppressed_by
            .iter()
            .map(|reason| Suppression { kind: "inSource", justification: prose(reason) })
            .collect(),
        properties: ResultProperties {
            confidence: finding.confidence.name(),
            objects: finding.objects.iter().map(|object| visible(object).into_owned()).collect(),
            query: name,
        },
    }
}

/// As in `report.json`, whatever a saved one says.
fn fingerprint(finding: &Finding) -> String {
    Finding::fingerprint(finding.file.as_deref(), &finding.id, &finding.objects, finding.query.as_deref())
}

fn physical(place: Place<'_>) -> PhysicalLocation {
    PhysicalLocation {
        artifact_location: ArtifactLocation { uri: encoded(place.file), uri_base_id: SOURCE_ROOT },
        region: Region { start_line: place.line, start_column: place.column, end_line: place.end_line },
    }
}

/// A path as part of a URI: everything but letters, digits and `-._~/` as `%XX`.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

fn invocation(report: &Report, left_out: usize) -> Invocation {
    let started: Option<Timestamp> = report.started_at.parse().ok();
    let ended = started.and_then(|started| {
        let took = SignedDuration::try_from_secs_f64(report.duration_ms / 1e3).ok()?;
        started.checked_add(took).ok()
    });
    let mut notifications = Vec::new();
    if !report.complete {
        let told = "The run did not get to its end: what is missing is unknown, not fine.";
        notifications.push(Notification { level: "warning", message: Message::new(told) });
    }
    if left_out > 0 {
        let told = format!("{} in the full report", human::more(left_out, "finding"));
        notifications.push(Notification { level: "note", message: Message::new(&told) });
    }
    Invocation {
        execution_successful: report.complete,
        exit_code: report.exit_code,
        start_time_utc: started.map(|moment| moment.to_string()),
        end_time_utc: ended.map(|moment| moment.to_string()),
        tool_execution_notifications: notifications,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_parts_of_uris() {
        assert_eq!(encoded("a b/ü%?#:x.sql"), "a%20b/%C3%BC%25%3F%23%3Ax.sql");
    }

    #[test]
    fn what_the_standard_reads_in_a_message_is_taken_for_text() {
        assert_eq!(Message::new("'{0}' [here](1)").text, "'{{0}}' [here] (1)");
    }

    #[test]
    fn names_of_rules_are_one_word() {
        assert_eq!("lock/table-rewrite".split(['/', '-', '_']).map(capital).collect::<String>(), "LockTableRewrite");
    }
}
