//! A made-up report as large as they come: 10,000 findings and 5 MB of plans, for what has limits.

use seatrial::check::KINDS;
use seatrial::report::v1::{Confidence, Finding, Migration, Query, Report, Severity, Statement, Suggestion, Verdict};
use serde_json::{Value, json};

/// Findings of the report.
pub const FINDINGS: usize = 10_000;
/// Bytes of its plans, at least.
pub const PLAN_BYTES: usize = 5_000_000;
const MIGRATIONS: usize = 200;
const STATEMENTS: usize = 5;
const QUERIES: usize = 400;

/// Grown from a recording: its migrations, queries and the rest again and again under other names.
pub fn report() -> Report {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings/regressed.json");
    let text = std::fs::read_to_string(path).expect("the recording");
    let mut report = Report::from_json(&text).expect("a report");
    report.migrations =
        (0..MIGRATIONS).map(|n| migration(&report.migrations[n % report.migrations.len()], n)).collect();
    let share = PLAN_BYTES / QUERIES / 2 + 1;
    report.queries = (0..QUERIES).map(|n| query(&report.queries[n % report.queries.len()], n, share)).collect();
    report.findings = (0..FINDINGS).map(|n| finding(&report, n)).collect();
    report.verdict = Verdict::of(&report.findings);
    report
}

fn migration(like: &Migration, n: usize) -> Migration {
    let version = format!("2026{n:010}");
    let statement = |at: usize| Statement {
        index: n * STATEMENTS + at + 1,
        file: format!("migrations/{version}_{}.sql", like.name.replace(' ', "_")),
        line: at * 10 + 1,
        end_line: at * 10 + 4,
        ..like.statements[at % like.statements.len()].clone()
    };
    Migration { statements: (0..STATEMENTS).map(statement).collect(), version, ..like.clone() }
}

/// With plans of `share` bytes before and after.
fn query(like: &Query, n: usize, share: usize) -> Query {
    let mut query = Query { name: format!("query_{n}"), line: n + 1, ..like.clone() };
    for summary in [&mut query.before, &mut query.after].into_iter().flatten() {
        let node = Value::Object(summary.plan.clone());
        let size = node.to_string().len();
        let plans: Vec<Value> = std::iter::repeat_n(node, share / size + 1).collect();
        summary.plan.insert("Plans".to_owned(), Value::Array(plans));
    }
    query
}

fn finding(report: &Report, n: usize) -> Finding {
    // Every kind of finding, in turns that fall together with nothing else.
    let kind = KINDS[n * 7 % KINDS.len()];
    let statement = &report.migrations[n % MIGRATIONS].statements[n / MIGRATIONS % STATEMENTS];
    // One in fifty is about the whole run, one in a hundred is allowed.
    let whole_run = n % 50 == 49;
    let objects = vec![format!("public.\"table {}\"", n % 900), format!("public.table_{}_idx", n % 70)];
    let query = n.is_multiple_of(3).then(|| report.queries[n % QUERIES].name.clone());
    let file = (!whole_run).then(|| statement.file.clone());
    let digits = "0123456789 ".repeat(n % 20);
    let suggestion =
        n.is_multiple_of(10).then(|| Suggestion { forms: vec!["in batches".to_owned()], steps: Vec::new() });
    Finding {
        id: kind.id.to_owned(),
        severity: if n.is_multiple_of(4) { Severity::Error } else { kind.severity },
        confidence: Confidence::ALL[n % 2],
        message: format!(
            "{} rows of {} <stand> & 'wait': 100 %, ünïcödé 日本語\nand a line {digits}",
            n * 31,
            objects[0]
        ),
        advice: format!("do it in {} steps, [as written](http://example.org), before ::error:: is read", n % 9 + 2),
        line: (!whole_run).then_some(statement.line),
        end_line: (!whole_run).then_some(statement.end_line),
        column: (!whole_run).then_some(1),
        statement: (!whole_run).then_some(statement.index),
        fingerprint: Finding::fingerprint(file.as_deref(), kind.id, &objects, query.as_deref()),
        evidence: json!({ "rows": n, "held_ms": n as f64 / 7.0 }).as_object().cloned().unwrap_or_default(),
        suppressed_by: (n % 100 == 7).then(|| "nobody writes here on Sundays".to_owned()),
        file,
        query,
        objects,
        suggestion,
    }
}
