//! What hot queries feel beside a migration, and behind open transactions. Needs a PostgreSQL server.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::{Ran, project, run, seatrial, shared_state};

const SOURCE: &str = "CREATE ROLE app LOGIN;
CREATE TABLE orders (id integer PRIMARY KEY, status text NOT NULL, code varchar(20) NOT NULL);
CREATE TABLE \"We\"\"ird Größe\" (\"select\" integer PRIMARY KEY, note text);
CREATE TABLE log (id bigint GENERATED ALWAYS AS IDENTITY, entry text);
ALTER TABLE orders OWNER TO app;
ALTER TABLE \"We\"\"ird Größe\" OWNER TO app;
ALTER TABLE log OWNER TO app;
INSERT INTO orders SELECT n, 'open', 'code-' || n FROM generate_series(1, 20000) n;
INSERT INTO \"We\"\"ird Größe\" SELECT n, 'note' FROM generate_series(1, 1000) n;
";

const QUERIES: &str = "-- name: read_order
-- params some: id = 77
SELECT id, code FROM orders WHERE id = :id;

-- name: close_order
-- params some: id = 78
UPDATE orders SET status = 'closed' WHERE id = :id;

-- name: add_entry
-- params some: entry = 'geheim-4711'
INSERT INTO log (entry) VALUES (:entry);
";

/// Rehearses one migration with these options.
fn rehearse(migration: &str, queries: Option<&str>, options: &[&str]) -> Ran {
    let project = project();
    std::fs::write(project.path().join("source.sql"), SOURCE).unwrap();
    std::fs::write(project.path().join("1_change.sql"), migration).unwrap();
    std::fs::write(project.path().join("seatrial.toml"), "[thresholds]\ntransaction_ms = 700\n").unwrap();
    let mut command = seatrial(project.path(), &shared_state());
    command.args(["check", "--source", "source.sql", "--format", "json"]).args(options);
    if let Some(queries) = queries {
        std::fs::write(project.path().join("queries.sql"), queries).unwrap();
        command.args(["--queries", "queries.sql"]);
    }
    run(command.arg("1_change.sql"))
}

fn stall<'a>(report: &'a Value, query: &str) -> &'a Value {
    let mut stalls = report["stalls"].as_array().unwrap().iter();
    stalls.find(|stall| stall["query"] == query).unwrap_or_else(|| panic!("{query}: {}", report["stalls"]))
}

#[test]
fn writes_wait_for_an_index_build_and_reads_do_not_and_each_is_told_with_its_statement() {
    let migration = "BEGIN;\nCREATE INDEX ON orders (code);\nSELECT pg_sleep(0.8);\nCOMMIT;\n";
    let ran = rehearse(migration, Some(QUERIES), &["--passes", "traffic", "--measure-writes"]);
    let report = ran.report();
    let write = stall(&report, "close_order");
    assert!(write["longest_ms"].as_f64().unwrap() >= 700.0, "{write}");
    assert_eq!((&write["statement"], &write["felt"]["stalled"]), (&2.into(), &true.into()));
    assert_eq!(write["felt"]["relation"], "public.orders");
    let read = stall(&report, "read_order");
    assert_eq!(read["felt"]["stalled"], false, "{read}");
    // Calls that add the same row again and again are taken back: none is refused.
    assert_eq!(stall(&report, "add_entry")["felt"]["refused"], serde_json::json!({}));
    assert!(!ran.stdout.contains("geheim-4711"));
}

#[test]
fn writes_are_left_alone_unless_they_are_asked_for() {
    let ran = rehearse("ALTER TABLE orders ADD COLUMN note text;", Some(QUERIES), &["--passes", "traffic"]);
    let report = ran.report();
    let called: Vec<&Value> = report["stalls"].as_array().unwrap().iter().map(|stall| &stall["query"]).collect();
    assert_eq!(called, ["read_order"]);
    let notes = report["query_notes"].to_string();
    assert!(notes.contains("traffic: close_order, add_entry not called: it writes; --measure-writes"), "{notes}");
}

#[test]
fn without_hot_queries_a_read_and_a_write_of_one_row_stand_for_them() {
    let migration = "BEGIN;\nALTER TABLE \"We\"\"ird Größe\" ADD COLUMN \"x;y\" uuid DEFAULT gen_random_uuid();\n\
        SELECT pg_sleep(0.8);\nCOMMIT;\n";
    let report = rehearse(migration, None, &["--passes", "traffic"]).report();
    for query in ["a read of public.\"We\"\"ird Größe\"", "a write to public.\"We\"\"ird Größe\""] {
        let stall = stall(&report, query);
        assert!(stall["longest_ms"].as_f64().unwrap() >= 700.0, "{stall}");
        assert_eq!((&stall["statement"], &stall["felt"]["refused"]), (&2.into(), &serde_json::json!({})));
    }
    assert_eq!(report["stalls"].as_array().unwrap().len(), 2);
}

#[test]
fn a_prepared_statement_whose_result_changes_is_refused_and_so_told() {
    let migration = "ALTER TABLE orders ALTER COLUMN code TYPE text;";
    let ran = rehearse(migration, Some(QUERIES), &["--passes", "traffic"]);
    let report = ran.report();
    let felt = &stall(&report, "read_order")["felt"];
    // Until the session prepares it anew, which nobody does here; a call may have been under way.
    let [refused, calls] = [&felt["refused"]["0A000"], &felt["calls"]].map(|count| count.as_u64().unwrap());
    assert!(refused > 5 && calls - refused <= 1, "{felt}");
}

#[test]
fn a_session_that_the_migration_ends_is_lost_and_the_run_goes_on() {
    let migration = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity\n\
        WHERE usename = current_user AND pid <> pg_backend_pid();\nALTER TABLE orders ADD COLUMN note text;\n";
    let ran = rehearse(migration, Some(QUERIES), &["--passes", "traffic"]);
    let report = ran.report();
    assert_eq!(stall(&report, "read_order")["felt"]["refused"]["08006"], 1, "{}", report["stalls"]);
    assert_eq!(report["complete"], true);
}

#[test]
fn each_table_is_waited_for_behind_a_transaction_of_its_own() {
    let migration = "SET lock_timeout = 0;\nALTER TABLE orders ADD COLUMN note text;\n\
        ALTER TABLE \"We\"\"ird Größe\" ADD COLUMN more text;\n";
    let report = rehearse(migration, Some(QUERIES), &["--passes", "queue"]).report();
    let queued = report["queued"].as_array().unwrap();
    let tables: Vec<&str> = queued.iter().map(|each| each["table"].as_str().unwrap()).collect();
    assert_eq!(tables, ["public.orders", "public.\"We\"\"ird Größe\""]);
    for each in queued {
        assert!(each["waited_ms"].as_f64().unwrap() >= 700.0, "{each}");
    }
    assert!(stall(&report, "read_order")["longest_ms"].as_f64().unwrap() >= 650.0, "{}", report["stalls"]);
}

#[test]
fn a_concurrent_build_waits_for_the_transaction_and_nobody_waits_for_the_build() {
    let migration = "CREATE INDEX CONCURRENTLY orders_code ON orders (code);";
    let options = ["--passes", "queue", "--measure-writes"];
    let report = rehearse(migration, Some(QUERIES), &options).report();
    assert!(report["queued"][0]["waited_ms"].as_f64().unwrap() >= 700.0, "{}", report["queued"]);
    for query in ["read_order", "close_order"] {
        assert_eq!(stall(&report, query)["felt"]["stalled"], false, "{}", report["stalls"]);
    }
}

#[test]
fn passes_that_are_not_asked_for_leave_nothing_behind() {
    let report = rehearse("ALTER TABLE orders ADD COLUMN note text;", Some(QUERIES), &[]).report();
    for key in ["stalls", "queued", "broken_off", "retries"] {
        assert_eq!(report[key], serde_json::json!([]), "{key}");
    }
    let left: Vec<&str> = report["passes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|pass| pass["reason"] == "not asked for (--passes)")
        .map(|pass| pass["name"].as_str().unwrap())
        .collect();
    assert_eq!(left, ["traffic", "queue", "retry"]);
}
