//! The HTML report as text: well-formed, self-contained, nothing unescaped, and never larger than a browser scrolls well.

#[path = "support/tags.rs"]
mod tags;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seatrial::report::v1::{Outcome, Report, TransactionMode};
use seatrial::report::{Format, RenderOptions, render};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::Path;
use tags::tags;

const RECORDINGS: [&str; 5] = ["clean", "failed", "hostile", "regressed", "unknown"];

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("readable")
}

fn recording(name: &str) -> Report {
    Report::from_json(&read(&format!("tests/recordings/{name}.json"))).expect("a report")
}

fn page(report: &Report) -> String {
    render(report, Format::Html, &RenderOptions::default())
}

/// What stands between two texts.
fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let (_, rest) = text.split_once(from).expect("its beginning");
    rest.split_once(to).expect("its end").0
}

#[test]
fn every_page_is_well_formed_and_holds_nothing_that_runs_or_loads() {
    for name in RECORDINGS {
        let html = page(&recording(name));
        let mut open = Vec::new();
        let mut ids = std::collections::BTreeSet::new();
        let all = tags(&html);
        for tag in &all {
            for (attribute, value) in &tag.attributes {
                assert!(
                    !attribute.starts_with("on") && *attribute != "style" && *attribute != "src",
                    "{name}: {attribute}"
                );
                assert!(*attribute != "href" || value.starts_with('#'), "{name}: a link to {value}");
                if *attribute == "id" {
                    assert!(ids.insert(*value), "{name}: two are {value}");
                }
            }
            match (tag.closes, tag.name) {
                (false, "meta" | "input" | "br") => {}
                (false, opened) => open.push(opened),
                (true, closed) => assert_eq!(open.pop(), Some(closed), "{name}"),
            }
        }
        assert!(open.is_empty(), "{name}: {open:?}");
        assert!(
            all.iter().all(|tag| !matches!(tag.name, "img" | "link" | "iframe" | "object" | "embed" | "form" | "base"))
        );
        // What is described by another element is described by one that is there; links lead somewhere unless their
        // statement was left out.
        for tag in &all {
            for (attribute, value) in &tag.attributes {
                if *attribute == "aria-labelledby" {
                    assert!(ids.contains(value), "{name}: no {value}");
                }
                if *attribute == "href" && name != "hostile" {
                    assert!(ids.contains(&value[1..]), "{name}: no {value}");
                }
            }
        }
    }
}

#[test]
fn the_policy_allows_the_one_style_and_the_one_script_there_are_and_nothing_else() {
    for name in RECORDINGS {
        let html = page(&recording(name));
        assert_eq!((html.matches("<style>").count(), html.matches("<script>").count()), (1, 1), "{name}");
        let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
        let (style, script) = (between(&html, "<style>", "</style>"), between(&html, "<script>", "</script>"));
        let policy = between(&html, "http-equiv=\"Content-Security-Policy\" content=\"", "\"");
        let expected = format!(
            "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
            hash(style),
            hash(script)
        );
        assert_eq!(policy, expected, "{name}");
        for loads in ["url(", "@import", "fetch(", "XMLHttpRequest", "innerHTML", "eval(", "document.write", "http"] {
            assert!(!style.contains(loads) && !script.contains(loads), "{loads}");
        }
    }
}

#[test]
fn everything_there_is_to_say_is_said() {
    let report = recording("regressed");
    let html = page(&report);
    for told in [
        "If you are paged",
        "checkout",
        "plan/regressed",
        "<h2 id=\"timeline-title\">Timeline</h2>",
        "blocks reads+writes 2.3 s",
        "Plans side by side",
        "copy plan as JSON",
        "public.line_items_product_id_idx",
        "restored from backup",
        "DROP SCHEMA seatrial_backup CASCADE;",
        "migrated again",
        "10 plans captured twice before the migration, all alike",
        "lower bounds",
        "seatrial check MIGRATIONS --source SOURCE --queries QUERIES --layout sqlx --role shop_app --passes measure,prove,attribute --out report",
        "psql -X -v ON_ERROR_STOP=1 -f rollback.sql &#34;${DATABASE_URL:?}&#34;",
    ] {
        assert!(html.contains(told), "{told}");
    }
    let unknown = page(&recording("unknown"));
    assert!(unknown.contains("What is missing here is unknown, not fine."));
    assert_eq!(unknown.matches("class=\"sign unknown\" aria-hidden=\"true\">?</span>unknown</span>").count(), 4);
    let clean = page(&recording("clean"));
    assert!(clean.contains("Nothing was found.") && !clean.contains("If you are paged"));
}

#[test]
fn a_statement_that_was_not_run_has_no_bar_and_one_that_failed_says_why() {
    let mut report = recording("failed");
    let all = report.migrations.iter_mut().flat_map(|migration| &mut migration.statements);
    let (mut failed, mut idle) = (0, 0);
    for statement in all {
        match statement.outcome {
            Outcome::Failed => failed = statement.index,
            Outcome::NotRun => idle = statement.index,
            Outcome::Ok => {}
        }
    }
    assert!(failed > 0);
    if idle == 0 {
        let last = report.migrations.last_mut().and_then(|migration| migration.statements.last_mut()).expect("one");
        (last.outcome, idle) = (Outcome::NotRun, last.index);
    }
    let html = page(&report);
    let of = |index: usize| between(&html, &format!("id=\"statement-{index}\">"), "</details>").to_owned();
    assert!(!of(idle).contains("<rect") && of(idle).contains("not run"), "{}", of(idle));
    report = recording("failed");
    let html = page(&report);
    let of = between(&html, &format!("id=\"statement-{failed}\">"), "</details>");
    assert!(of.contains("The server said") && of.contains("✗"), "{of}");
}

/// A report as large as any: 10,000 findings with their statements, and 5 MB of plans.
fn large() -> Report {
    let mut report = recording("regressed");
    let finding = report.findings[0].clone();
    let statement = report.migrations[0].statements[0].clone();
    let count = report.migrations.iter().map(|migration| migration.statements.len()).sum::<usize>();
    for number in 0..10_000 {
        let mut more = finding.clone();
        more.message = format!("finding number {number}");
        more.statement = Some(count + 1 + number);
        report.findings.push(more);
        let mut more = statement.clone();
        more.index = count + 1 + number;
        report.migrations[3].statements.push(more);
    }
    report.migrations[3].transaction = TransactionMode::None;
    let plans: Value = serde_json::from_str(&read("tests/plans/15/merge_append.json")).expect("JSON");
    let mut size = 0;
    let query = report.queries[0].clone();
    while size < 5_000_000 {
        let mut more = query.clone();
        more.name = format!("query_{}", report.queries.len());
        more.plan_diff = format!("  another diff {}", report.queries.len());
        for summary in [&mut more.before, &mut more.after, &mut more.after_settling].into_iter().flatten() {
            let plan = plans[0].as_object().expect("a plan").clone();
            size += plans.to_string().len();
            summary.plan = plan;
        }
        report.queries.push(more);
    }
    report
}

#[test]
fn a_large_report_is_a_page_that_can_still_be_scrolled_worst_first() {
    let report = large();
    assert!(report.to_json_pretty().len() > 8_000_000);
    let html = page(&report);
    assert!(html.len() < 5_000_000, "{} bytes", html.len());
    tags(&html);
    let shown = html.matches("<article class=\"finding").count();
    assert!(shown > 500, "{shown} findings");
    let left = report.findings.len() - shown;
    let told = format!("… {}", seatrial::report::human::more(left, "finding"));
    assert!(html.contains(&told), "{told}");
    // Errors first: what is left out is no worse than what is there.
    let first = html.find("data-level=\"warning\" id").or_else(|| html.find("data-level=\"warning\">\n<h3>"));
    let last_error = html.rfind("data-level=\"error\">\n<h3>").expect("an error");
    assert!(first.is_none_or(|first| first > last_error));
    for kind in ["more statements in report.json", "Its plans are in report.json."] {
        assert!(html.contains(kind), "{kind}");
    }
    assert!(html.contains("class=\"trees") && html.matches("id=\"query-").count() > 50);
}

#[test]
fn the_command_of_its_page_in_docs_writes_it() {
    let docs = read("docs/html.md");
    let commands: Vec<&str> = docs.split("```sh\n").skip(1).flat_map(|block| between_fences(block).lines()).collect();
    assert_eq!(commands.len(), 1);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("report")).expect("a folder");
    std::fs::write(folder.path().join("report/report.json"), read("tests/recordings/regressed.json")).expect("written");
    let words: Vec<&str> = commands[0].split(' ').collect();
    assert_eq!(words[0], "seatrial");
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_seatrial"))
        .args(&words[1..])
        .current_dir(folder.path())
        .output()
        .expect("the built program starts");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let written = std::fs::read_to_string(folder.path().join("report.html")).expect("a page");
    assert_eq!(written, page(&recording("regressed")));
}

fn between_fences(block: &str) -> &str {
    block.split("\n```").next().expect("a closed block")
}
