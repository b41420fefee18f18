//! Budgets of time and disk: what no longer fits is left out and said, before a server. Needs one.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use std::process::Command;
use support::traces::left_behind;
use support::{Ran, project, run, seatrial, share_initdb, state_folder};
use tempfile::TempDir;

struct Place {
    project: TempDir,
    state: std::path::PathBuf,
}

impl Place {
    fn new(name: &str) -> Self {
        let state = state_folder(&format!("budget-{name}"));
        if state.exists() {
            std::fs::remove_dir_all(&state).unwrap();
        }
        share_initdb(&state);
        let place = Self { project: project(), state };
        place.write(
            "source.sql",
            "CREATE TABLE notes (id int PRIMARY KEY, note text);\nINSERT INTO notes VALUES (1, 'a');\n",
        );
        place
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.project.path().join(name), text).unwrap();
    }

    fn check(&self, args: &[&str]) -> Ran {
        let mut command: Command = seatrial(self.project.path(), &self.state);
        run(command.args(["check", "migration.sql", "--source", "source.sql", "--format", "json"]).args(args))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What stays after a failure is removed by the next run of the test.
        let _ = std::fs::remove_dir_all(&self.state);
    }
}

/// Name, whether it ran, and the reason if it did not.
fn passes(report: &Value) -> Vec<(String, bool, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let passes = report["passes"].as_array().unwrap().iter();
    passes.map(|pass| (text(&pass["name"]), pass["ran"] == true, text(&pass["reason"]))).collect()
}

fn reason(report: &Value, name: &str) -> String {
    let (_, ran, reason) = passes(report).into_iter().find(|(pass, ..)| pass == name).unwrap();
    assert!(!ran, "{name} did not run");
    reason
}

#[test]
fn the_estimate_stands_before_the_first_copy_and_passes_not_asked_for_are_listed() {
    let place = Place::new("estimate");
    place.write("migration.sql", "ALTER TABLE notes ADD COLUMN extra int;\n");
    let ran = place.check(&["--passes", "measure"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    let estimate = lines.iter().position(|line| line.starts_with("1 copy (measure 1) of ")).unwrap();
    assert!(lines[estimate].contains(" are free"), "{}", lines[estimate]);
    assert!(lines.iter().position(|line| line.starts_with("measure")).unwrap() > estimate);
    for pass in ["prove", "attribute", "traffic", "queue", "retry"] {
        assert_eq!(reason(&ran.report(), pass), "not asked for (--passes)");
    }
    let all = place.check(&["--passes", "all"]);
    assert!(
        all.stderr.contains(
            "up to 24 copies, one at a time (measure 1, prove 8, attribute 1, traffic 1, queue 1, retry 12), each "
        ),
        "{}",
        all.stderr
    );
}

#[test]
fn a_pass_nobody_knows_is_refused_by_name_and_one_with_nothing_to_do_says_so() {
    let place = Place::new("later");
    place.write("migration.sql", "SELECT 1;\n");
    let ran = place.check(&["--passes", "traffick"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("`traffick` is not a pass"), "{}", ran.stderr);
    let ran = place.check(&["--passes", "traffic,queue,retry"]);
    let report = ran.report();
    assert_eq!(reason(&report, "traffic"), "no hot query is registered, and no table is locked");
    assert_eq!(reason(&report, "queue"), "no table is locked");
    assert_eq!(
        reason(&report, "retry"),
        "nothing is left half-way: each migration is applied as a whole or not at all"
    );
}

#[test]
fn without_room_for_the_first_copy_nothing_is_copied() {
    let place = Place::new("no-room");
    place.write("migration.sql", "SELECT 1;\n");
    let ran = place.check(&["--max-disk", "1MB"]);
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains("--max-disk 1.0 MB is not enough: it needs "), "{}", ran.stderr);
    assert!(ran.stderr.contains(" for the copy, 32 MB for WAL and what is rewritten"), "{}", ran.stderr);
    assert_eq!(ran.report()["complete"], false);
    assert_eq!(ran.report()["verdict"], "warn", "what nobody looked at has not passed");
    assert!(reason(&ran.report(), "measure").contains("--max-disk"));
    assert_eq!(left_behind(&place.state), Vec::<String>::new());
}

#[test]
fn a_pass_without_room_is_left_out_and_the_others_run() {
    let place = Place::new("room");
    place.write(
        "migration.sql",
        "SELECT count(pg_logical_emit_message(false, 'log', repeat('x', 1000000))) FROM generate_series(1, 45);\n",
    );
    let refused = place.check(&["--max-disk", "1MB"]).stderr;
    let needed: u64 = refused.split("it needs ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    // Enough for the first pass, which writes 45 MB to the log; twice that must fit beside the next one's copy.
    let limit = format!("{}MB", needed + 47);
    let ran = place.check(&["--max-disk", &limit]);
    let report = ran.report();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(report["complete"], false);
    assert_eq!(report["answers"]["applies"]["verdict"], "yes");
    assert_eq!(report["answers"]["undoable"]["verdict"], "unknown");
    assert!(
        reason(&report, "prove").starts_with(&format!("--max-disk {} MB is not enough", needed + 47)),
        "{:?}",
        passes(&report)
    );
    assert_eq!(reason(&report, "attribute"), "no plan changed");
    let required = place.check(&["--max-disk", &limit, "--require", "undoable"]);
    assert_eq!(required.code, Some(124), "{}", required.stderr);
}

#[test]
fn a_pass_without_time_is_left_out_and_only_required_answers_make_it_124() {
    let place = Place::new("time");
    // The base is there, so that the budget is for the passes.
    place.write("migration.sql", "SELECT 1;\n");
    place.check(&["--passes", "measure"]);
    place.write("migration.sql", "SELECT pg_sleep(6);\n");
    // The proof migrates twice: twelve seconds never fit into what six leave of fifteen.
    let ran = place.check(&["--max-time", "15s"]);
    let report = ran.report();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(report["answers"]["applies"]["verdict"], "yes");
    assert!(reason(&report, "prove").starts_with("--max-time leaves "), "{:?}", passes(&report));
    let required = place.check(&["--max-time", "15s", "--require", "undoable"]);
    assert_eq!(required.code, Some(124), "{}", required.stderr);
}

#[test]
fn the_restore_is_within_the_budget_of_time() {
    let place = Place::new("restore");
    place.write("source.sql", "CREATE TABLE notes (id text);\nINSERT INTO notes SELECT pg_sleep(3600)::text;\n");
    place.write("migration.sql", "SELECT 1;\n");
    let ran = place.check(&["--max-time", "5s"]);
    assert_eq!(ran.code, Some(124), "{}", ran.stderr);
    for pass in ["measure", "prove", "attribute"] {
        assert_eq!(reason(&ran.report(), pass), "the budget of time (--max-time) is spent");
    }
    // What it was about is known all the same.
    let source = &ran.report()["source"];
    assert_eq!((&source["kind"], &source["rows"]), (&"dump".into(), &serde_json::Value::Null), "{source}");
    assert_eq!(left_behind(&place.state), Vec::<String>::new());
}

#[test]
fn a_long_statement_says_how_far_it_is() {
    let place = Place::new("progress");
    place.write(
        "migration.sql",
        "SELECT 1;\nINSERT INTO notes SELECT g, 'b' FROM generate_series(2, 90000) AS g \
         UNION ALL SELECT 90001, pg_sleep(8)::text;\n",
    );
    let ran = place.check(&["--passes", "measure"]);
    let told = ran.stderr.lines().find(|line| line.starts_with("measure: migration.sql:2, statement 2 of 2: "));
    assert!(told.is_some_and(|line| line.contains(" s so far")), "{}", ran.stderr);
    assert!(told.is_some_and(|line| line.contains(" rows written to public.notes, which had ")), "{}", ran.stderr);
    assert!(!ran.stderr.contains("statement 1 of"), "what is quick is not told: {}", ran.stderr);
    let quiet = place.check(&["--passes", "measure", "--quiet"]);
    assert!(!quiet.stderr.contains("so far"), "{}", quiet.stderr);
}
