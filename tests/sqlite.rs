//! The program on SQLite databases from outside: what it leaves alone, how it ends, and what runs beside a migration.
#![allow(clippy::unwrap_used)]

mod support;

use nix::sys::signal::Signal;
use rusqlite::Connection;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use support::traces::left_behind;
use support::{project, run, seatrial, state_folder};

/// A project with a database of 40,000 rows in a journal mode, and a connection to it that stays open.
struct Shop {
    folder: tempfile::TempDir,
    live: Connection,
    state: PathBuf,
}

impl Shop {
    fn new(name: &str, journal_mode: &str) -> Self {
        let folder = project();
        let live = Connection::open(folder.path().join("app.db")).unwrap();
        live.execute_batch(&format!(
            "PRAGMA journal_mode = {journal_mode}; PRAGMA wal_autocheckpoint = 0;
             CREATE TABLE \"Odd \"\"Names\"\"\" (id INTEGER PRIMARY KEY, [a b] INT, note TEXT);
             INSERT INTO \"Odd \"\"Names\"\"\"
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 40000) SELECT i, i % 7, 'x' || i FROM n;"
        ))
        .unwrap();
        Self { folder, live, state: state_folder(name) }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn check(&self, args: &[&str]) -> Command {
        let mut command = seatrial(self.folder.path(), &self.state);
        command.args(["check", "--source", "sqlite:app.db"]).args(args);
        command
    }

    /// Everything in the folder whose name begins like the database's.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.starts_with("app.db") {
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
        found
    }
}

#[test]
fn a_database_in_use_is_rehearsed_whole_and_left_as_it_is() {
    for journal_mode in ["wal", "delete"] {
        let shop = Shop::new("sqlite-live", journal_mode);
        // One transaction is open, and its row is nobody else's to see.
        shop.live.execute_batch("BEGIN IMMEDIATE; INSERT INTO \"Odd \"\"Names\"\"\" VALUES (0, 0, 'open')").unwrap();
        let before = shop.files();
        shop.write("1.sql", "ALTER TABLE \"Odd \"\"Names\"\"\" ADD COLUMN more TEXT;");
        shop.write(
            "q.sql",
            "-- name: Q\n-- params one: ab = 3\nSELECT count(*) FROM \"Odd \"\"Names\"\"\" WHERE [a b] = :ab;",
        );
        let ran =
            run(shop.check(&["1.sql", "--queries", "q.sql", "--format", "json"]).stdin(std::process::Stdio::null()));
        assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
        let report = ran.report();
        assert_eq!(report["source"]["rows"], 40_000, "{journal_mode}");
        assert_eq!(report["source"]["kind"], "sqlite");
        assert_eq!(report["source"]["fidelity"], "physical");
        assert_eq!(report["engine"]["settings"]["journal_mode"], journal_mode);
        assert_eq!(report["engine"]["settings"]["foreign_keys"], "off");
        assert_eq!(report["answers"]["undoable"]["verdict"], "yes", "{}", report["rollback"]);
        assert!(
            report["queries"][0]["before"]["steps"]["vm_steps"].as_u64().unwrap() > 40_000,
            "{}",
            report["queries"]
        );
        let lock = &report["migrations"][0]["statements"][0]["locks"][0];
        assert_eq!((lock["relation"].as_str(), lock["mode"].as_str()), (Some("main"), Some("RESERVED")), "{lock}");
        assert_eq!(shop.files(), before, "the source is as it was ({journal_mode})");
        shop.live.execute_batch("ROLLBACK").unwrap();
    }
}

#[test]
fn foreign_keys_are_told_as_the_connection_begins() {
    let shop = Shop::new("sqlite-keys", "delete");
    shop.write("seatrial.toml", "[sqlite]\nforeign_keys = true\n");
    shop.write("1.sql", "PRAGMA foreign_keys = OFF; CREATE TABLE more (a); PRAGMA foreign_keys = ON;");
    let report = run(&mut shop.check(&["1.sql", "--format", "json"])).report();
    assert_eq!(report["engine"]["settings"]["foreign_keys"], "on");
    let seen: Vec<bool> = report["migrations"][0]["statements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|statement| statement["sqlite"]["foreign_keys"].as_bool().unwrap())
        .collect();
    assert_eq!(seen, [true, false, false]);
}

/// A statement that never ends.
const ENDLESS: &str = "CREATE TABLE big AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                       SELECT i FROM n WHERE i % 1000000 = 0;";

/// Starts a rehearsal and waits until it measures.
fn measuring(shop: &Shop, args: &[&str]) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut child = shop.check(args).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("measure") {
        line.clear();
        assert!(told.read_line(&mut line).unwrap() > 0, "it ended before it measured");
    }
    (child, told)
}

fn end(child: &Child, signal: Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
}

#[test]
fn a_statement_under_way_ends_with_the_run_and_nothing_stays() {
    let shop = Shop::new("sqlite-ends", "delete");
    shop.write("1.sql", ENDLESS);
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let (child, told) = measuring(&shop, &["1.sql", "--format", "json"]);
        end(&child, signal);
        let output = child.wait_with_output().unwrap();
        drop(told);
        assert_eq!(output.status.code(), Some(code));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["complete"], false);
        assert_eq!(report["answers"]["applies"]["verdict"], "unknown");
        assert_eq!(left_behind(&shop.state), Vec::<String>::new(), "{signal}");
    }
    let ran = run(&mut shop.check(&["1.sql", "--max-time", "2s", "--format", "json"]));
    assert_eq!(ran.code, Some(124), "{}", ran.stderr);
    assert_eq!(left_behind(&shop.state), Vec::<String>::new(), "after --max-time");
}

#[test]
fn what_a_killed_run_left_is_gone_after_the_next() {
    let shop = Shop::new("sqlite-killed", "wal");
    shop.write("1.sql", ENDLESS);
    shop.write("2.sql", "CREATE TABLE more (a);");
    let (mut child, _told) = measuring(&shop, &["1.sql"]);
    end(&child, Signal::SIGKILL);
    child.wait().unwrap();
    let ran = run(&mut shop.check(&["2.sql"]));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("removed an earlier run"), "{}", ran.stderr);
    assert_eq!(left_behind(&shop.state), Vec::<String>::new());
}

/// The longest wait of the reader and of the writer beside a migration that writes for a while.
fn felt(journal_mode: &str) -> Value {
    let shop = Shop::new("sqlite-traffic", journal_mode);
    shop.write("1.sql", "UPDATE \"Odd \"\"Names\"\"\" SET note = note || hex(zeroblob(40)); CREATE INDEX i ON \"Odd \"\"Names\"\"\" (note);");
    shop.write("q.sql", "-- name: Q\nSELECT count(*) FROM \"Odd \"\"Names\"\"\" WHERE id < 10;");
    let ran = run(&mut shop.check(&["1.sql", "--queries", "q.sql", "--format", "json", "--passes", "traffic"]));
    let report = ran.report();
    let traffic = report["passes"].as_array().unwrap().iter().find(|pass| pass["name"] == "traffic").unwrap().clone();
    assert_eq!(traffic["ran"], true, "{traffic} {}", ran.stderr);
    report
}

#[test]
fn a_reader_and_a_writer_run_beside_the_migration_in_the_sources_journal_mode() {
    for (journal_mode, told) in
        [("wal", "in WAL mode: readers go on"), ("delete", "readers wait while a transaction is written")]
    {
        let report = felt(journal_mode);
        let notes = report["query_notes"].to_string();
        assert!(notes.contains(told), "{notes}");
        let felt: Vec<&str> =
            report["stalls"].as_array().unwrap().iter().map(|stall| stall["query"].as_str().unwrap()).collect();
        assert!(felt.contains(&"Q"), "{felt:?}");
        assert!(felt.len() == 2, "a reader and a writer: {felt:?}");
    }
}

#[test]
fn copies_for_what_sqlite_cannot_measure_are_not_announced() {
    let shop = Shop::new("sqlite-announced", "delete");
    shop.write("1.sql", "CREATE TABLE one (a);");
    let asked = ["1.sql", "--passes", "measure", "--measure-writes", "--measure-time", "--suggest", "safer"];
    let ran = run(&mut shop.check(&asked));
    assert!(ran.stderr.contains("1 copy (measure 1) of "), "{}", ran.stderr);
    assert!(ran.stdout.contains("what writes pay: not measured"), "{}", ran.stdout);
}

#[test]
fn a_migration_that_stops_half_way_is_tried_again() {
    let shop = Shop::new("sqlite-retry", "delete");
    shop.write("1.sql", "CREATE TABLE one (a); CREATE TABLE two (a);");
    let ran = run(&mut shop.check(&["1.sql", "--format", "json", "--passes", "retry"]));
    let report = ran.report();
    let retries = report["retries"].as_array().unwrap();
    assert_eq!(retries.len(), 1, "{} {}", report["passes"], ran.stderr);
    assert!(
        report["findings"].as_array().unwrap().iter().any(|each| each["id"] == "apply/not-retryable"),
        "{report:#}"
    );
    assert!(Path::new(shop.folder.path()).join("app.db").exists());
}
