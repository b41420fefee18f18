//! Saved reports, rendered: every recording in every format, and the promises of `report.json`.

use clap::CommandFactory;
use seatrial::report::v1::{Comparison, Finding, Report, RollbackVerdict, Stall, Verdict};
use seatrial::report::visible::{columns, is_unprintable};
use seatrial::report::{FORMATS, Format, RenderOptions, render};
use serde_json::Value;
use std::path::{Path, PathBuf};

const BLESS: &str = "SEATRIAL_BLESS";

fn recordings() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let mut found: Vec<(String, PathBuf)> = std::fs::read_dir(folder)
        .expect("the folder of recordings")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), path))
        .collect();
    found.sort();
    assert_eq!(
        found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["clean", "failed", "hostile", "regressed", "unknown"]
    );
    found
}

fn recording(name: &str) -> Report {
    let (_, path) = recordings().into_iter().find(|(known, _)| known == name).expect("a recording of this name");
    let text = std::fs::read_to_string(path).expect("readable");
    Report::from_json(&text).unwrap_or_else(|error| panic!("{name}.json: {error}"))
}

fn all() -> Vec<(String, Report)> {
    recordings().into_iter().map(|(name, _)| (name.clone(), recording(&name))).collect()
}

fn at(width: usize) -> RenderOptions {
    RenderOptions { width, ..RenderOptions::default() }
}

/// Compares a checked-in file with what it should be; writes it when asked to.
fn assert_current(path: &Path, expected: &str) {
    if std::env::var_os(BLESS).is_some_and(|value| value == "1") {
        std::fs::write(path, expected).expect("writable");
        return;
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is not what the types in src/report/v1.rs write. If the change is meant (keys may be added, never renamed or \
         dropped without raising schema_version), run `{BLESS}=1 cargo test --test report` and look at the difference.",
        path.display()
    );
}

#[test]
fn the_checked_in_schema_is_that_of_the_types() {
    let schema = serde_json::to_string_pretty(&Report::json_schema()).expect("a schema is JSON") + "\n";
    assert_current(&Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/report.schema.json"), &schema);
}

#[test]
fn every_recording_survives_reading_and_writing_unchanged() {
    for (name, path) in recordings() {
        let text = std::fs::read_to_string(&path).expect("readable");
        let report = recording(&name);
        let written = report.to_json_pretty();
        let (before, after): (Value, Value) =
            (serde_json::from_str(&text).expect("JSON"), serde_json::from_str(&written).expect("JSON"));
        assert_eq!(before, after, "{name}: reading and writing lost or added something");
        assert_eq!(Report::from_json(&written).expect("readable again"), report, "{name}");
        assert_current(&path, &written);
    }
}

#[test]
fn recordings_keep_the_rules_of_the_contract() {
    for (name, report) in all() {
        assert_eq!(report.verdict, Verdict::of(&report.findings), "{name}");
        for finding in &report.findings {
            let expected =
                Finding::fingerprint(finding.file.as_deref(), &finding.id, &finding.objects, finding.query.as_deref());
            assert_eq!(finding.fingerprint, expected, "{name}: {}", finding.id);
        }
        let proof = &report.rollback.proof;
        if report.rollback.verdict == RollbackVerdict::Exact {
            assert_eq!([proof.schema, proof.catalog, proof.rows], [Comparison::Equal; 3], "{name}");
        }
        let indexes: Vec<usize> = report
            .migrations
            .iter()
            .flat_map(|migration| &migration.statements)
            .map(|statement| statement.index)
            .collect();
        assert_eq!(indexes, (1..=indexes.len()).collect::<Vec<_>>(), "{name}: statements count from 1");
    }
}

/// Keys that came after the first reports were saved: without them a report is still read.
const ADDED_LATER: [&str; 15] = [
    "notes",
    "lasts",
    "note",
    "query_notes",
    "statistics",
    "self_test",
    "dead_rows",
    "temp_bytes",
    "peak_bytes",
    "queued",
    "broken_off",
    "retries",
    "steps",
    "code",
    "sqlite",
];

/// Every other key of the schema is required wherever its object stands: taking any one away must be refused, by name.
#[test]
fn a_missing_key_is_refused_and_named_with_its_place() {
    fn take_away(value: &mut Value, path: &str, root: &Value, seen: &mut usize) {
        // Free objects: their keys are not the contract's.
        if path.ends_with(".plan")
            || path.ends_with(".evidence")
            || path.ends_with(".settings")
            || path.ends_with(".refused")
        {
            return;
        }
        let keys: Vec<String> = value.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default();
        for key in keys {
            // Without these a report is still read.
            let of_query = path.contains("queries[") && (key == "writes" || key == "time");
            let of_migration = path.contains("migrations[") && (key == "rollback" || key == "down");
            let of_stall = path.contains("stalls[") && key == "felt";
            let of_finding = path.contains("findings[") && key == "suggestion";
            let came_later = ADDED_LATER.contains(&key.as_str()) || of_migration || of_query || of_stall || of_finding;
            if came_later {
                take_away(&mut value[&key], &format!("{path}.{key}"), root, seen);
                continue;
            }
            let mut damaged = root.clone();
            let pointer = path.replace(['.', '['], "/").replace(']', "");
            damaged.pointer_mut(&pointer).and_then(Value::as_object_mut).expect("the object").remove(&key);
            let text = serde_json::to_string_pretty(&damaged).expect("JSON");
            let error = Report::from_json(&text).expect_err(&format!("{path}.{key} may not be missing")).to_string();
            if !(path.is_empty() && key == "schema_version") {
                let place = if path.is_empty() { "at the top level" } else { path.trim_start_matches('.') };
                assert!(error.contains(&format!("{place}: missing field `{key}`")), "{path}.{key}: {error}");
            }
            *seen += 1;
            take_away(&mut value[&key], &format!("{path}.{key}"), root, seen);
        }
        if let Some(items) = value.as_array_mut() {
            for (index, item) in items.iter_mut().enumerate() {
                take_away(item, &format!("{path}[{index}]"), root, seen);
            }
        }
    }
    for key in ADDED_LATER {
        let mut older = serde_json::to_value(recording("clean")).expect("JSON");
        let place = if older.get(key).is_some() {
            &mut older
        } else if older["queries"][0].get(key).is_some() {
            &mut older["queries"][0]
        } else if older["queries"][0]["before"].get(key).is_some() {
            &mut older["queries"][0]["before"]
        } else {
            &mut older["migrations"][0]["statements"][0]
        };
        assert!(place.as_object_mut().is_some_and(|object| object.shift_remove(key).is_some()), "{key} is there");
        assert!(Report::from_json(&older.to_string()).is_ok(), "a report without {key} is read");
    }
    // The report with the fewest entries that has every kind of object.
    let mut report = measured_on_request();
    report.queries.truncate(1);
    report.findings.truncate(1);
    report.migrations.drain(2..);
    report.indexes.truncate(1);
    report.stalls.truncate(1);
    let root = serde_json::to_value(&report).expect("JSON");
    let mut seen = 0;
    take_away(&mut root.clone(), "", &root, &mut seen);
    assert!(seen > 150, "only {seen} keys were tried");
}

#[test]
fn a_report_without_single_rollbacks_still_renders() {
    let report = recording("regressed");
    let new = render(&report, Format::Text, &at(80));
    assert!(new.contains("for each migration by itself"), "{new}");
    let mut value = serde_json::to_value(&report).expect("JSON");
    for migration in value["migrations"].as_array_mut().expect("a list") {
        for key in ["rollback", "down"] {
            migration.as_object_mut().expect("an object").remove(key);
        }
    }
    let old = Report::from_json(&value.to_string()).expect("read");
    for (_, format) in FORMATS {
        let told = render(&old, format, &at(80));
        assert!(!told.contains("for each migration by itself") && !told.contains("down script"), "{format:?}");
    }
}

/// A report in which the first query has what is measured on request, and an index of its table is new.
fn measured_on_request() -> Report {
    let mut value = serde_json::to_value(recording("regressed")).expect("JSON");
    let side = |bytes: u64, entries: u64, hot: u64| {
        serde_json::json!({
            "wal_bytes": bytes, "wal_records": entries + 1, "index_entries": entries, "at_most": false, "rows": 1,
            "hot_updates": hot, "buffers": 9, "tables": [value["indexes"][0]["table"]]
        })
    };
    let writes = serde_json::json!({ "before": side(412, 3, 1), "after": side(655, 4, 0), "reason": null });
    value["queries"][0]["writes"] = writes;
    value["queries"][0]["time"] = serde_json::json!({
        "before_ms": { "median": 1.2, "min": 1.1, "max": 1.4 }, "after_ms": { "median": 8.4, "min": 8.0, "max": 9.9 },
        "runs": 9, "inside_the_noise": false
    });
    value["indexes"][0]["change"] = "created".into();
    let felt = |pass: &str, stalled: bool| {
        serde_json::json!({
            "pass": pass, "stalled": stalled, "usual_ms": 2.0, "relation": null, "calls": 80, "refused": { "0A000": 3 },
            "began_ms": 2000.0, "ended_ms": 5100.0, "step_ms": 1000.0, "timeline_ms": [2.0, 2.0, 3100.0, 2100.0, 1100.0, 2.0]
        })
    };
    value["stalls"] = serde_json::json!([
        { "query": "checkout", "statement": 1, "longest_ms": 3100.0, "felt": felt("traffic", true) },
        { "query": "search", "statement": null, "longest_ms": 9.0, "felt": felt("traffic", false) },
        { "query": "checkout", "statement": null, "longest_ms": 300.0, "felt": felt("queue", false) }
    ]);
    value["queued"] = serde_json::json!([{ "table": "public.orders", "waited_ms": 1000.0 }]);
    value["broken_off"] = serde_json::json!([
        { "pass": "queue", "statement": 1, "sqlstate": "55P03", "error": "canceling statement due to lock timeout" }
    ]);
    value["retries"] = serde_json::json!([
        {
            "stopped": "behind", "statement": 1, "end": "same",
            "met": [{
                "statement": 1, "sqlstate": "42701", "error": "column \"a\" already exists",
                "sql": ["ALTER TABLE t ADD COLUMN IF NOT EXISTS a int"]
            }]
        },
        { "stopped": "at", "statement": 1, "end": "same", "met": [] }
    ]);
    Report::from_json(&value.to_string()).expect("read")
}

#[test]
fn what_was_measured_on_request_is_told_in_every_format() {
    let report = measured_on_request();
    let name = &report.queries[0].name;
    let text = render(&report, Format::Text, &at(100));
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for told in [
        "What writes pay",
        &format!("{name} (regular): 412 → 655 WAL bytes (+59 %), 3 → 4 index entries, 1 → 0 HOT updates"),
        &format!("price a call: {name} (regular) 412 → 655 WAL bytes (+59 %), 3 → 4 index entries"),
        "time 1.2 → 8.4 ms (9 runs, 1.1–1.4 / 8.0–9.9)",
    ] {
        assert!(text.contains(told), "{told}\n{text}");
    }
    let markdown = render(&report, Format::Markdown, &at(100));
    assert!(
        markdown.contains("| 412 → 655 WAL bytes (+59 %) | 3 → 4 index entries | 1 → 0 HOT updates |"),
        "{markdown}"
    );
    assert!(markdown.contains("time 1.2 → 8.4 ms"), "{markdown}");
    let mut older = serde_json::to_value(&report).expect("JSON");
    for query in older["queries"].as_array_mut().expect("a list") {
        for key in ["writes", "time"] {
            query.as_object_mut().expect("an object").remove(key);
        }
    }
    let old = Report::from_json(&older.to_string()).expect("read");
    for (_, format) in FORMATS {
        assert!(!render(&old, format, &at(100)).contains("WAL bytes ("), "{format:?}");
    }
}

#[test]
fn what_was_tried_on_request_is_told_in_every_format() {
    let report = measured_on_request();
    let first = &report.migrations[0].statements[0];
    let place = format!("{}:{}", first.file, first.line);
    let told = [
        "Beside hot queries".to_owned(),
        format!("checkout waited 3.1 s (2.0 ms otherwise) behind {place}"),
        "▁▁█▆▃▁ 1.0 s each".to_owned(),
        "refused with 0A000: 3 of 80 calls of checkout, 3 of 80 calls of search; where the result of a".to_owned(),
        "Behind open transactions".to_owned(),
        "a transaction was open on public.orders: the migration waited 1.0 s for it".to_owned(),
        format!("lock_timeout ended the migration at {place}"),
        "Run again where it stopped".to_owned(),
        format!("stopped behind {place}: run again, it fails at {place}: column \"a\" already exists (SQLSTATE 42701)"),
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS a int".to_owned(),
        format!("failed at {place}: run again, it comes as far as the first time"),
    ];
    for format in [Format::Text, Format::Markdown] {
        let text = render(&report, format, &at(100));
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(!text.contains("no call of search took longer"), "some of its calls were refused: {text}");
        for told in &told {
            let escaped = told.replace('_', "\\_");
            assert!(text.contains(told) || text.contains(&escaped), "{told}\n{text}");
        }
    }
    let nothing = recording("clean");
    for format in [Format::Text, Format::Markdown] {
        let text = render(&nothing, format, &at(100));
        assert!(!text.contains("Beside hot queries") && !text.contains("Run again"), "{text}");
    }
}

#[test]
fn scripts_of_each_migration_are_written_to_folders_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut report = recording("regressed");
    if let Some(last) = report.migrations.last_mut().and_then(|migration| migration.rollback.as_mut()) {
        last.verdict = RollbackVerdict::NotAttempted;
    }
    let unproven = report.migrations.last().expect("one").version.clone();
    seatrial::report::write_artefacts(&report, folder.path()).expect("written");
    let page = std::fs::read_to_string(folder.path().join("report.html")).expect("a page");
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    for migration in &report.migrations {
        let own = folder.path().join("rollback").join(&migration.version);
        let proven = migration.version != unproven;
        assert_eq!(own.join("rollback.sql").exists(), proven, "{}", migration.version);
        let rollback = migration.rollback.as_ref().expect("its own");
        assert!(!proven || std::fs::read_to_string(own.join("prepare.sql")).expect("read") == rollback.scripts.prepare);
    }
    report.migrations.truncate(1);
    let alone = tempfile::tempdir().expect("a folder");
    seatrial::report::write_artefacts(&report, alone.path()).expect("written");
    assert!(!alone.path().join("rollback").exists(), "the whole is all there is");
}

#[test]
fn an_unknown_key_is_passed_over_and_an_unknown_word_is_not() {
    let mut value = serde_json::to_value(recording("regressed")).expect("JSON");
    value["answers"]["a_fifth_one"] = Value::from(5);
    value["findings"][0]["owner"] = Value::from("later");
    assert_eq!(Report::from_json(&value.to_string()).expect("read"), recording("regressed"));

    value["findings"][1]["severity"] = Value::from("fatal");
    let text = serde_json::to_string_pretty(&value).expect("JSON");
    let error = Report::from_json(&text).expect_err("refused").to_string();
    assert!(error.contains("findings[1].severity: unknown variant `fatal`, expected one of"), "{error}");
    let line = 1 + text.lines().position(|line| line.contains("\"fatal\"")).expect("there");
    assert!(error.starts_with(&format!("line {line}, column ")), "{error}");
}

#[test]
fn numbers_are_never_strings() {
    let mut value = serde_json::to_value(recording("clean")).expect("JSON");
    value["duration_ms"] = Value::from("12");
    let error = Report::from_json(&value.to_string()).expect_err("refused").to_string();
    assert!(error.contains("duration_ms: invalid type: string \"12\""), "{error}");
}

#[test]
fn every_recording_renders_in_every_format() {
    for (name, report) in all() {
        for (_, format) in FORMATS {
            for (verbose, width) in [(false, 80), (true, 80), (false, 0), (true, 400)] {
                let options = RenderOptions { verbose, out_dir: Some("out|dir".into()), ..at(width) };
                let text = render(&report, format, &options);
                // Of nothing that counts GitLab is told nothing.
                let least = if format == Format::Gitlab { 2 } else { 200 };
                assert!(text.ends_with('\n') && text.len() > least, "{name} as {format:?}");
            }
        }
    }
}

#[test]
fn every_format_is_named_where_people_look() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md"));
    let page = page.expect("readable");
    let row = page.lines().find(|line| line.starts_with("| `format` |")).expect("its row");
    let cli = seatrial::cli::Cli::command();
    let lines = |path: &str, begin: &str| {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("readable");
        text.lines().find(|line| line.trim_start().starts_with(begin)).expect("its line").to_owned()
    };
    let schema = lines("schema/seatrial.schema.json", "\"description\": \"text, json");
    let template = lines("src/command/init/template.rs", "# text, json");
    for (name, _) in FORMATS {
        assert!(row.contains(&format!("`{name}`")), "docs/configuration.md: {name}");
        assert!(schema.contains(name), "schema/seatrial.schema.json: {name}");
        assert!(template.contains(name), "what `seatrial init` writes: {name}");
        for command in ["check", "report"] {
            let command = cli.find_subcommand(command).expect("a command");
            let option = command.get_arguments().find(|option| option.get_id() == "format").expect("--format");
            let help = option.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(name), "{} --help: {name}: {help}", command.get_name());
        }
    }
}

#[test]
fn a_name_that_is_no_format_is_refused_with_those_there_are() {
    for (name, format) in FORMATS {
        assert_eq!(name.parse::<Format>(), Ok(format));
    }
    assert_eq!(
        "yaml".parse::<Format>().expect_err("refused").to_string(),
        "there is no format \"yaml\"; available are text, json, markdown, html, sarif, junit, github and gitlab"
    );
}

#[test]
fn text_stays_within_its_width_and_sends_nothing_to_the_terminal() {
    for (name, report) in all() {
        for width in [72, 80, 100, 120, 200, 300] {
            let text = render(&report, Format::Text, &RenderOptions { verbose: true, ..at(width) });
            for line in text.lines() {
                assert!(columns(line) <= width.min(200), "{name} at {width}: {line:?}");
                assert!(!line.chars().any(is_unprintable), "{name} at {width}: {line:?}");
                assert_eq!(line.trim_end(), line, "{name} at {width}: spaces at the end");
            }
        }
    }
}

#[test]
fn a_wide_terminal_cuts_no_sql_and_breaks_no_name_and_leaves_prose_as_it_is() {
    let mut report = recording("regressed");
    let long = format!("SELECT {}", "column, ".repeat(15));
    report.migrations[0].statements[0].sql = long.clone();
    let cut = |width| render(&report, Format::Text, &at(width));
    let (narrow, wide) = (cut(100), cut(200));
    assert!(!narrow.contains(long.trim_end()) && wide.contains(long.trim_end()), "{wide}");
    assert!(
        !narrow.contains("20261103090000 drop orders customer idx")
            && wide.contains("20261103090000 drop orders customer idx")
    );
    let advice =
        |text: &str| text.lines().filter(|line| line.starts_with("    → ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(advice(&narrow), advice(&wide));
}

#[test]
fn who_is_paged_reads_whose_query_suffers_what_to_do_and_the_way_back_in_that_order() {
    let report = recording("regressed");
    for format in [Format::Text, Format::Markdown] {
        let text = render(&report, format, &RenderOptions { out_dir: Some("it's/out".to_owned()), ..at(200) });
        let place = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle} is missing in {text}"));
        let order = [
            "If you are paged",
            "(owner checkout): regressed: 7,544 blocks instead of 11",
            "CREATE INDEX CONCURRENTLY orders_customer_id_idx",
            r"psql -X -v ON_ERROR_STOP=1 -f 'it'\''s/out/rollback.sql'",
        ];
        assert!(order.map(place).is_sorted(), "{text}");
        assert!(place(order[3]) < place("Findings"), "{text}");
    }
}

#[test]
fn a_quiet_report_is_the_verdict_and_what_deserves_attention() {
    let quiet = RenderOptions { quiet: true, ..at(80) };
    let clean = render(&recording("clean"), Format::Text, &quiet);
    assert_eq!(clean.lines().count(), 1, "{clean}");
    assert!(clean.starts_with("✓ PASS"), "{clean}");
    let bad = render(&recording("regressed"), Format::Text, &quiet);
    assert!(["Blocks?", "If you are paged", "lock/table-rewrite"].iter().all(|told| bad.contains(told)), "{bad}");
    assert!(["Migrations", "Hot queries", "What this rests on"].iter().all(|told| !bad.contains(told)), "{bad}");
    let mut cut = recording("clean");
    cut.complete = false;
    let cut = render(&cut, Format::Text, &quiet);
    assert!(cut.contains("INCOMPLETE") && cut.contains("Applies?"), "{cut}");
}

#[test]
fn a_stall_pages_somebody_and_a_way_back_that_was_not_proven_is_no_command() {
    let mut report = recording("regressed");
    report.queries.retain(|query| query.name == "stock_low");
    report.findings.clear();
    let told = |report: &Report| render(report, Format::Text, &at(120));
    assert!(!told(&report).contains("If you are paged"), "nothing suffers");

    let stall = |statement, longest_ms| Stall { query: "stock_low".to_owned(), statement, longest_ms, felt: None };
    report.stalls = vec![stall(Some(3), 1200.0), stall(Some(2), 3100.0)];
    assert!(!told(&report).contains("If you are paged"), "no finding is about it");
    let mut finding = recording("regressed").findings[0].clone();
    (finding.id, finding.query) = ("lock/stall".to_owned(), Some("stock_low".to_owned()));
    finding.advice = "cancel the migration".to_owned();
    report.findings.push(finding);
    report.rollback.verdict = RollbackVerdict::NotAttempted;
    report.rollback.differences = vec!["the pass was not asked for".to_owned()];
    let text = told(&report);
    let paged = &text[text.find("If you are paged").expect("somebody is")..text.find("\nMigrations").expect("a table")];
    assert!(paged.contains("stock_low (no owner): waits 3.1 s for statement 2\n"), "{paged}");
    assert!(paged.contains("→ cancel the migration"), "{paged}");
    assert!(paged.contains("no way back was proven: the pass was not asked for") && !paged.contains("psql"), "{paged}");
}

#[test]
fn a_scan_of_an_empty_table_is_not_told() {
    let mut report = recording("failed");
    let told = |report: &Report| render(report, Format::Text, &at(80)).contains("from end to end");
    assert!(told(&report));
    for statement in report.migrations.iter_mut().flat_map(|migration| &mut migration.statements) {
        statement.scanned.iter_mut().for_each(|scan| scan.rows = 0);
    }
    assert!(!told(&report));
}

#[test]
fn colour_changes_nothing_but_the_colour() {
    for (name, report) in all() {
        let plain = render(&report, Format::Text, &at(80));
        let coloured = render(&report, Format::Text, &RenderOptions { color: true, ..at(80) });
        assert_ne!(plain, coloured, "{name}");
        let stripped = anstream::adapter::strip_str(&coloured).to_string();
        let trimmed: String = stripped.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        assert_eq!(trimmed, plain, "{name}");
    }
}

#[test]
fn json_is_safe_to_show_too() {
    for (name, report) in all() {
        let text = render(&report, Format::Json, &RenderOptions::default());
        assert!(!text.chars().any(|character| character != '\n' && is_unprintable(character)), "{name}");
    }
}

#[test]
fn what_is_unknown_never_looks_like_no() {
    let text = render(&recording("unknown"), Format::Text, &at(100));
    let answers: Vec<&str> = text.lines().filter(|line| line.contains("? unknown")).collect();
    assert!(answers.len() >= 5, "four answers and the migration's row: {text}");
    assert!(!text.contains("✓ no"), "{text}");
    assert!(text.contains("INCOMPLETE"), "{text}");
}

#[test]
fn markdown_keeps_its_budget_and_says_what_is_missing() {
    let report = recording("hostile");
    for byte_budget in [2_000, 10_000, 65_000] {
        let text = render(&report, Format::Markdown, &RenderOptions { byte_budget, ..RenderOptions::default() });
        assert!(text.len() <= byte_budget, "{} bytes of {byte_budget}", text.len());
        assert!(text.trim_end().ends_with("in the full report._"), "{}", &text[text.len() - 300..]);
        let markup = outside_code(&text);
        assert_eq!(markup.matches("<details>").count(), markup.matches("</details>").count());
    }
    for name in ["clean", "regressed", "failed", "unknown"] {
        let text = render(&recording(name), Format::Markdown, &RenderOptions::default());
        assert!(!text.contains("in the full report"), "{name}");
    }
}

/// What a Markdown reader sees as markup: everything outside code spans and fenced blocks.
fn outside_code(markdown: &str) -> String {
    let mut out = String::new();
    let mut fence: Option<usize> = None;
    for line in markdown.lines() {
        let ticks = line.bytes().take_while(|byte| *byte == b'`').count();
        match fence {
            Some(open) if ticks >= open && line.len() == ticks => fence = None,
            Some(_) => {}
            None if ticks >= 3 && !line[ticks..].contains('`') => fence = Some(ticks),
            None => {
                let mut rest = line;
                while let Some(at) = rest.find('`') {
                    let before = &rest[..at];
                    let ticks = rest[at..].bytes().take_while(|byte| *byte == b'`').count();
                    out.push_str(before);
                    if before.ends_with('\\') {
                        rest = &rest[at + 1..];
                        continue;
                    }
                    let mark = "`".repeat(ticks);
                    let body = &rest[at + ticks..];
                    let close = body
                        .match_indices(&mark)
                        .map(|(found, _)| found)
                        .find(|found| !body[..*found].ends_with('`') && !body[found + ticks..].starts_with('`'));
                    rest = match close {
                        Some(close) => &body[close + ticks..],
                        None => panic!("a code span that is not closed: {line:?}"),
                    };
                }
                out.push_str(rest);
                out.push('\n');
            }
        }
    }
    assert_eq!(fence, None, "a fenced block that is not closed");
    out
}

#[test]
fn hostile_names_stay_text_in_markdown() {
    let text = render(&recording("hostile"), Format::Markdown, &RenderOptions { byte_budget: 1_000_000, ..at(80) });
    assert!(!text.chars().any(|character| character != '\n' && is_unprintable(character)));
    let markup = outside_code(&text);
    for tag in markup.match_indices('<').map(|(at, _)| &markup[at..]) {
        let ours = ["<details><summary>", "</summary>", "</details>\n", "<br>\n"];
        assert!(ours.iter().any(|known| tag.starts_with(known)) || tag.starts_with("<summary>"), "{:.80}", tag);
    }
    for (at, _) in markup.match_indices(['@', '#']).filter(|(at, _)| !markup[..*at].ends_with(['\n', '#', '&'])) {
        let after = &markup[at + 1..];
        assert!(!after.starts_with(|next: char| next.is_alphanumeric()), "a mention: {after:.40}");
    }
    assert!(!markup.contains("http://") && !markup.contains("https://"));
    // Cells are parted before code is looked for, so the tables are judged as they are written.
    let tables = text.split("### Findings").next().expect("a first part");
    for line in tables.lines().filter(|line| line.starts_with('|')) {
        // A backslash takes the character after it along, whatever that is.
        let mut rest = line.chars();
        let mut bars = 0;
        while let Some(character) = rest.next() {
            match character {
                '\\' => drop(rest.next()),
                '|' => bars += 1,
                _ => {}
            }
        }
        assert!(bars == 4 || bars == 6, "a bar too many: {line}");
    }
    let headings: Vec<&str> = markup.lines().filter(|line| line.trim_start().starts_with('#')).collect();
    assert_eq!(headings, ["## ✗ Seatrial: fail (130 errors, 1 warning)", "### Findings"]);
}

#[test]
fn text_reads_well() {
    for name in ["clean", "regressed", "failed", "unknown"] {
        let report = recording(name);
        insta::assert_snapshot!(format!("{name}_80"), render(&report, Format::Text, &at(80)));
    }
    let regressed = recording("regressed");
    insta::assert_snapshot!("regressed_120", render(&regressed, Format::Text, &at(120)));
    let options = RenderOptions { color: true, out_dir: Some("trial".into()), verbose: true, ..at(100) };
    insta::assert_snapshot!("regressed_colour", render(&regressed, Format::Text, &options));
    let mut hostile = recording("hostile");
    hostile.findings.truncate(2);
    insta::assert_snapshot!("hostile_80", render(&hostile, Format::Text, &at(80)));
}

#[test]
fn markdown_reads_well() {
    for name in ["clean", "regressed", "failed", "unknown"] {
        insta::assert_snapshot!(
            format!("{name}_markdown"),
            render(&recording(name), Format::Markdown, &RenderOptions::default())
        );
    }
}
