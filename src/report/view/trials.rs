//! What was tried on request, in words: the migration beside hot queries, behind open transactions, and once more.

use super::{Tone, statement, statement_place};
use crate::report::human;
use crate::report::v1::{Finding, PassName, Report, Retry, RetryEnd, Stall, StepTransaction, StoppedAt};
use std::collections::BTreeMap;

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its heading.
    pub heading: &'static str,
    /// What was seen.
    pub rows: Vec<Row>,
}

/// One line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// How good it is.
    pub tone: Tone,
    /// In a sentence.
    pub text: String,
    /// The longest call of each moment, as bars.
    pub timeline: Option<String>,
    /// Statements in other words.
    pub sql: Vec<String>,
}

impl Row {
    fn new(tone: Tone, text: String) -> Self {
        Self { tone, text, timeline: None, sql: Vec::new() }
    }
}

/// Everything that was tried; what was not has no section.
pub fn sections(report: &Report) -> Vec<Section> {
    let sections = [
        Section { heading: "Beside hot queries", rows: beside(report, PassName::Traffic) },
        Section { heading: "Behind open transactions", rows: behind(report) },
        Section {
            heading: "Run again where it stopped",
            rows: report.retries.iter().map(|each| retry(report, each)).collect(),
        },
    ];
    sections.into_iter().filter(|section| !section.rows.is_empty()).collect()
}

/// The engine's own code of a refusal.
fn told(sqlstate: &str, code: Option<&str>) -> String {
    code.map_or_else(|| format!("SQLSTATE {sqlstate}"), str::to_owned)
}

fn place(report: &Report, index: usize) -> String {
    statement(report, index).map_or_else(|| format!("statement {index}"), statement_place)
}

fn behind(report: &Report) -> Vec<Row> {
    let waited = report.queued.iter().map(|queued| {
        let (tone, waited) = match queued.waited_ms {
            waited if waited < 0.05 => (Tone::Good, "did not wait for it".to_owned()),
            waited => (Tone::Caution, format!("waited {} for it", human::duration(waited))),
        };
        Row::new(tone, format!("a transaction was open on {}: the migration {waited}", queued.table))
    });
    waited.chain(beside(report, PassName::Queue)).collect()
}

fn beside(report: &Report, pass: PassName) -> Vec<Row> {
    let of_pass = |stall: &&Stall| stall.felt.as_ref().map_or(PassName::Traffic, |felt| felt.pass) == pass;
    let all: Vec<&Stall> = report.stalls.iter().filter(of_pass).collect();
    let (stalled, calm): (Vec<&Stall>, Vec<&Stall>) =
        all.iter().partition(|stall| stall.felt.as_ref().is_none_or(|felt| felt.stalled));
    let broken = report.broken_off.iter().filter(|each| each.pass == pass).map(|each| {
        let place = place(report, each.statement);
        let what = match (each.sqlstate.as_str(), &each.code) {
            ("55P03", None) => format!("lock_timeout ended the migration at {place}, and the waiting of all"),
            (sqlstate, code) => {
                format!("the migration ended at {place}: {} ({})", each.error, told(sqlstate, code.as_deref()))
            }
        };
        Row::new(Tone::Caution, what)
    });
    let mut rows: Vec<Row> = broken.chain(stalled.iter().map(|stall| waited(report, stall))).collect();
    // A call that was refused took no time, and served nobody.
    let served = |stall: &&Stall| stall.felt.as_ref().is_none_or(|felt| felt.refused.is_empty());
    let calm: Vec<&Stall> = calm.into_iter().filter(served).collect();
    if let Some(longest) = calm.iter().map(|stall| stall.longest_ms).max_by(f64::total_cmp) {
        let whose = match (&calm[..], stalled.is_empty()) {
            ([one], _) => format!("no call of {}", one.query),
            (several, true) => format!("no call of {}", human::plural(several.len(), "hot query")),
            (several, false) => format!("no call of {} more", human::plural(several.len(), "hot query")),
        };
        rows.push(Row::new(Tone::Good, format!("{whose} took longer than {}", human::duration(longest))));
    }
    rows.extend(refused(&all));
    rows
}

fn waited(report: &Report, stall: &Stall) -> Row {
    let mut text = format!("{} waited {}", stall.query, human::duration(stall.longest_ms));
    if let Some(felt) = &stall.felt {
        text += &format!(" ({} otherwise)", human::duration(felt.usual_ms));
    }
    if let Some(statement) = stall.statement {
        text += &format!(" behind {}", place(report, statement));
    }
    let felt = stall.felt.as_ref();
    let timeline = felt.map(|felt| {
        let step = human::duration(felt.step_ms);
        format!("{}  {step} each", bars(&felt.timeline_ms))
    });
    Row { timeline, ..Row::new(Tone::Bad, text) }
}

/// Queries named of those a server refused calls of.
const NAMED: usize = 3;

/// Calls the server refused, one row for each kind of refusal, and what that means to an application.
fn refused(stalls: &[&Stall]) -> Vec<Row> {
    let mut kinds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (stall, felt) in stalls.iter().filter_map(|stall| Some((stall, stall.felt.as_ref()?))) {
        for (sqlstate, calls) in &felt.refused {
            let whose = format!("{} of {} calls of {}", human::count(*calls), human::count(felt.calls), stall.query);
            kinds.entry(sqlstate).or_default().push(whose);
        }
    }
    let row = |(sqlstate, each): (&str, Vec<String>)| {
        let meaning = match sqlstate {
            "0A000" => "; where the result of a prepared statement changed, sessions have to prepare it anew",
            "40P01" => ", a deadlock",
            "42703" | "42P01" => "; what they name is gone",
            "55P03" => ", by lock_timeout",
            "SQLITE_BUSY" => "; the lock they waited for was not given back within busy_timeout",
            "57014" => ", by statement_timeout",
            "08006" => "; the session was lost",
            _ => "",
        };
        let more = each.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(", and of {}", human::more(more, "hot query")) } else { String::new() };
        let named = each.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        Row::new(Tone::Caution, format!("refused with {sqlstate}: {named}{more}{meaning}"))
    };
    kinds.into_iter().map(row).collect()
}

/// The safer form of a finding's statement, told with the first of its findings only.
pub fn suggestion(report: &Report, finding: &Finding) -> Option<Row> {
    let suggestion = finding.suggestion.as_ref()?;
    let shown = report.findings.iter().find(|each| each.statement == finding.statement && each.suggestion.is_some())?;
    if !std::ptr::eq(shown, finding) {
        return Some(Row::new(Tone::Good, format!("its safer form stands above, with {}", shown.id)));
    }
    let text =
        format!("safer, and rehearsed (the same schema, and none of this is found): {}", suggestion.forms.join("; "));
    let sql = suggestion.steps.iter().map(|step| match step.transaction {
        StepTransaction::Together => format!("{};", step.sql),
        StepTransaction::Own => format!("-- in a transaction of its own: {}\n{};", in_one_line(&step.why), step.sql),
        StepTransaction::Outside => format!("-- outside any transaction: {}\n{};", in_one_line(&step.why), step.sql),
    });
    Some(Row { sql: sql.collect(), ..Row::new(Tone::Good, text) })
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Bars from low to high, by the highest.
fn bars(values: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().copied().fold(0.0, f64::max);
    let bar = |value: &f64| BARS[((value / most * 7.0).round() as usize).min(7)];
    values.iter().map(|value| if most > 0.0 { bar(value) } else { BARS[0] }).collect()
}

fn retry(report: &Report, retry: &Retry) -> Row {
    let stopped = match retry.stopped {
        StoppedAt::Behind => format!("stopped behind {}", place(report, retry.statement)),
        StoppedAt::At => format!("failed at {}", place(report, retry.statement)),
    };
    let Some(first) = retry.met.first() else {
        return match retry.end {
            RetryEnd::OtherSchema | RetryEnd::OtherRows => {
                let what = if retry.end == RetryEnd::OtherRows { "other rows" } else { "another schema" };
                Row::new(Tone::Bad, format!("{stopped}: run again, it comes to its end with {what}"))
            }
            RetryEnd::Same | RetryEnd::Stuck => {
                Row::new(Tone::Good, format!("{stopped}: run again, it comes as far as the first time"))
            }
        };
    };
    let met = format!(
        "{stopped}: run again, it fails at {}: {} ({})",
        place(report, first.statement),
        first.error,
        told(&first.sqlstate, first.code.as_deref())
    );
    let sql: Vec<String> = retry.met.iter().flat_map(|met| met.sql.iter().map(|sql| format!("{sql};"))).collect();
    let (tone, rest) = match (retry.end, sql.is_empty()) {
        (RetryEnd::Same, _) => (Tone::Caution, ". In these words it comes through:"),
        (RetryEnd::OtherSchema, _) => (Tone::Bad, ". In these words it comes to its end with another schema:"),
        (RetryEnd::OtherRows, _) => (Tone::Bad, ". In these words it comes to its end with other rows:"),
        (RetryEnd::Stuck, false) => (Tone::Bad, ". In these words it fails further on:"),
        (RetryEnd::Stuck, true) => (Tone::Bad, ""),
    };
    Row { sql, ..Row::new(tone, met + rest) }
}

#[cfg(test)]
mod tests {
    use super::{bars, sections};
    use crate::report::v1::Report;

    #[test]
    fn bars_are_as_high_as_what_they_stand_for() {
        assert_eq!(bars(&[0.0, 50.0, 100.0]), "▁▅█");
        assert_eq!(bars(&[0.0, 0.0]), "▁▁");
        assert_eq!(bars(&[]), "");
    }

    #[test]
    fn refusals_of_sqlite_are_told_by_its_own_names() {
        let recorded = include_str!("../../../tests/recordings/clean.json");
        let mut value: serde_json::Value = serde_json::from_str(recorded).expect("JSON");
        let failed = serde_json::json!({ "pass": "traffic", "statement": 1, "sqlstate": "55P03", "code": "SQLITE_BUSY",
            "error": "database is locked" });
        let met = serde_json::json!({ "statement": 1, "sqlstate": "42P07", "code": "SQLITE_ERROR", "sql": [],
            "error": "table t already exists" });
        value["broken_off"] = serde_json::json!([failed]);
        value["retries"] = serde_json::json!([{ "stopped": "at", "statement": 1, "end": "stuck", "met": [met] }]);
        value["stalls"] = serde_json::json!([{ "query": "q", "statement": null, "longest_ms": 1.0, "felt": {
            "pass": "traffic", "stalled": false, "usual_ms": 1.0, "relation": null, "calls": 9, "began_ms": 0.0,
            "refused": { "SQLITE_BUSY": 2 }, "ended_ms": 1.0, "step_ms": 100.0, "timeline_ms": [1.0] } }]);
        let report = Report::from_json(&value.to_string()).expect("a report");
        let texts: Vec<String> =
            sections(&report).into_iter().flat_map(|section| section.rows).map(|row| row.text).collect();
        let text = texts.join("\n");
        for part in
            ["database is locked (SQLITE_BUSY)", "already exists (SQLITE_ERROR)", "refused with SQLITE_BUSY: 2 of 9"]
        {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("SQLSTATE") && !text.contains("lock_timeout"), "{text}");
    }
}
