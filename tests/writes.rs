//! What writes pay and how long queries take, when that is asked for. Needs a PostgreSQL server.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use std::path::PathBuf;
use support::{Ran, project, run, seatrial, share_initdb, state_folder};
use tempfile::TempDir;

/// Pages are half empty, so that updates can be heap-only.
const SOURCE: &str = "CREATE ROLE app;
CREATE TABLE customers (id integer PRIMARY KEY);
CREATE TABLE orders (
    id integer PRIMARY KEY, customer_id integer NOT NULL REFERENCES customers, status text NOT NULL, note text
) WITH (fillfactor = 50);
CREATE SEQUENCE numbers;
ALTER TABLE customers OWNER TO app;
ALTER TABLE orders OWNER TO app;
ALTER SEQUENCE numbers OWNER TO app;
INSERT INTO customers SELECT n FROM generate_series(1, 100) n;
INSERT INTO orders SELECT n, 1 + n % 100, 'open', repeat('x', 60) FROM generate_series(1, 20000) n;
";

const QUERIES: &str = "-- name: create_order
-- params new: id = 900001, customer = 7, note = 'geheim-4711'
INSERT INTO orders VALUES (:id, :customer, 'open', :note);

-- name: create_orders
INSERT INTO orders SELECT 910000 + n, 7, 'open' FROM generate_series(1, 5) n;

-- name: close_order
-- params one: id = 77
UPDATE orders SET status = 'closed' WHERE id = :id;

-- name: move_unread
-- params one: id = 78
WITH moved AS (UPDATE orders SET note = 'geheim-4712' WHERE id = :id) SELECT 1;

-- name: clash
-- params taken: id = 4713
INSERT INTO orders VALUES (:id, 7, 'geheim-4714');

-- name: delete_order
DELETE FROM orders WHERE id % :modulus = 1;

-- name: take_number
SELECT nextval('numbers');

-- name: orders_of
-- params some: customer = 7
SELECT count(*) FROM orders WHERE customer_id = :customer;
";

struct Place {
    project: TempDir,
    state: PathBuf,
}

impl Place {
    fn new(name: &str, migration: &str) -> Self {
        let state = state_folder(&format!("writes-{name}"));
        if state.exists() {
            std::fs::remove_dir_all(&state).unwrap();
        }
        share_initdb(&state);
        let place = Self { project: project(), state };
        place.write("source.sql", SOURCE);
        place.write("queries.sql", QUERIES);
        place.write("migration.sql", migration);
        place
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.project.path().join(name), text).unwrap();
    }

    fn check(&self, args: &[&str]) -> Ran {
        self.check_with(args, "SEATRIAL_COLOR", "never")
    }

    fn check_with(&self, args: &[&str], variable: &str, value: &str) -> Ran {
        let mut command = seatrial(self.project.path(), &self.state);
        command.args(["check", "migration.sql", "--source", "source.sql", "--queries", "queries.sql"]).args(args);
        run(command.env(variable, value))
    }

    fn report(&self, args: &[&str]) -> Value {
        self.check(&[&["--format", "json"], args].concat()).report()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What stays after a failure is removed by the next run of the test.
        let _ = std::fs::remove_dir_all(&self.state);
    }
}

fn queries(report: &Value) -> &Vec<Value> {
    report["queries"].as_array().unwrap()
}

/// What the query pays, from its entry that was measured.
fn writes<'a>(report: &'a Value, query: &str) -> &'a Value {
    let mut all = queries(report).iter().filter(|each| each["name"] == query).map(|each| &each["writes"]);
    let found = all.find(|writes| !writes.is_null());
    found.unwrap_or_else(|| panic!("{query}: {}", report["query_notes"]))
}

fn number(of: &Value) -> i64 {
    of.as_i64().unwrap_or_else(|| panic!("{of}"))
}

#[test]
fn a_new_index_costs_every_insert_one_entry_a_row_and_its_bytes() {
    let place = Place::new("index", "CREATE INDEX orders_customer_idx ON orders (customer_id);\n");
    let report = place.report(&["--passes", "measure", "--measure-writes", "--out", "out"]);
    for (query, rows) in [("create_order", 1), ("create_orders", 5)] {
        let (before, after) = (&writes(&report, query)["before"], &writes(&report, query)["after"]);
        for side in [before, after] {
            assert_eq!(side["rows"], rows, "{query}: {side}");
            assert_eq!(side["tables"], json!(["public.orders"]), "{query}");
            assert_eq!(side["at_most"], false, "{query}");
        }
        assert_eq!(number(&before["index_entries"]), rows, "{query}: the primary key alone");
        assert_eq!(number(&after["index_entries"]) - number(&before["index_entries"]), rows, "{query}");
        assert_eq!(number(&after["wal_records"]) - number(&before["wal_records"]), rows, "{query}: one record each");
        assert!(number(&after["wal_bytes"]) > number(&before["wal_bytes"]), "{query}: {before} {after}");
    }
    let close = writes(&report, "close_order");
    assert_eq!(close["before"], close["after"], "an index on another column costs this update nothing");
    assert_eq!(close["after"]["hot_updates"], 1);
    for file in ["report.md", "report.json"] {
        let text = std::fs::read_to_string(place.project.path().join("out").join(file)).unwrap();
        assert!(!text.contains("geheim"), "{file} holds a value");
    }
    let markdown = std::fs::read_to_string(place.project.path().join("out/report.md")).unwrap();
    assert!(markdown.contains("What writes pay"), "{markdown}");
    assert!(markdown.contains("price a call: create_order (new) "), "{markdown}");
}

#[test]
fn an_index_on_an_updated_column_ends_heap_only_updates() {
    let place = Place::new("hot", "CREATE INDEX orders_status_idx ON orders (status) WHERE status <> 'x';\n");
    let report = place.report(&["--passes", "measure", "--measure-writes"]);
    let close = writes(&report, "close_order");
    let told = |side: &Value| ["hot_updates", "index_entries"].map(|field| number(&side[field]));
    assert_eq!(told(&close["before"]), [1, 0]);
    assert_eq!(told(&close["after"]), [0, 2], "one in the primary key, one in the new index");
    assert_eq!(close["after"]["at_most"], true, "the new index is partial");
    let unread = writes(&report, "move_unread");
    assert_eq!(told(&unread["before"]), [1, 0]);
    assert!(number(&unread["before"]["wal_bytes"]) > 0, "a CTE that nobody reads writes, too: {unread}");
}

#[test]
fn without_a_change_both_sides_pay_the_same_and_nothing_else_sees_the_writes() {
    let place = Place::new("identity", "SELECT 1;\n");
    let measured = place.report(&["--measure-writes"]);
    for query in ["create_order", "create_orders", "close_order", "move_unread", "take_number"] {
        let cost = writes(&measured, query);
        assert_eq!(cost["before"], cost["after"], "{query}");
        assert!(!cost["before"].is_null(), "{query}: {cost}");
        assert!(cost["reason"].is_null(), "{query}: {cost}");
    }
    let reads = queries(&measured).iter().find(|each| each["name"] == "orders_of").unwrap();
    assert!(reads["writes"].is_null(), "a query that reads pays nothing");
    let plain = place.report(&[]);
    assert_eq!(measured["rollback"]["proof"], plain["rollback"]["proof"]);
    assert_eq!(measured["findings"], plain["findings"]);
    for (left, right) in queries(&measured).iter().zip(queries(&plain)) {
        assert!(right["writes"].is_null(), "nobody asked");
        for field in ["name", "verdict", "before", "after", "after_settling"] {
            assert_eq!(left[field], right[field], "{}", left["name"]);
        }
    }
}

#[test]
fn a_write_that_fails_on_the_copy_is_told_with_its_reason_and_no_finding() {
    let place = Place::new("clash", "ALTER TABLE orders ADD CHECK (note <> 'geheim-4711');\n");
    let ran = place.check(&["--passes", "measure", "--measure-writes", "--format", "json"]);
    let report = ran.report();
    let clash = writes(&report, "clash");
    assert_eq!((&clash["before"], &clash["after"]), (&Value::Null, &Value::Null));
    let reason = clash["reason"].as_str().unwrap();
    assert_eq!(reason, "these values name a key that is there already (orders_pkey), SQLSTATE 23505");
    let create = writes(&report, "create_order");
    assert_eq!(create["before"]["rows"], 1);
    assert!(create["after"].is_null());
    let reason = create["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("after the migration: these values break a CHECK constraint (orders_note_check"),
        "{reason}"
    );
    let delete = writes(&report, "delete_order");
    assert_eq!(delete["reason"], "no values are registered for its parameters");
    let told = report["findings"].as_array().unwrap().iter().map(|finding| &finding["query"]);
    assert!(told.into_iter().all(Value::is_null), "{}", report["findings"]);
    assert!(!ran.stdout.contains("geheim-4714") && !ran.stdout.contains("4713"), "a value is shown");
}

#[test]
fn a_migration_that_fails_leaves_it_unmeasured_and_says_so() {
    let place = Place::new("failed", "ALTER TABLE orders ADD COLUMN id integer;\n");
    let report = place.report(&["--passes", "measure", "--measure-writes", "--measure-time"]);
    let notes = report["query_notes"].to_string();
    assert!(notes.contains("what writes pay: not measured, the migration does not apply"), "{notes}");
    assert!(notes.contains("the time of changed queries: not measured, the migration does not apply"), "{notes}");
}

#[test]
fn time_is_taken_of_changed_queries_and_changes_no_verdict() {
    let place = Place::new("time", "CREATE INDEX orders_customer_idx ON orders (customer_id);\n");
    let plain = place.check(&["--passes", "measure", "--format", "json"]);
    assert!(queries(&plain.report()).iter().all(|each| each["time"].is_null()), "nobody asked");
    place.write("seatrial.toml", "measure_time = true\n");
    let timed = place.check(&["--passes", "measure", "--format", "json"]);
    assert!(
        timed.stderr.contains("up to 3 copies, one at a time and both for time (measure 1, time 2)"),
        "{}",
        timed.stderr
    );
    assert_eq!(plain.code, timed.code);
    let (plain, timed) = (plain.report(), timed.report());
    let mut taken = 0;
    for (left, right) in queries(&plain).iter().zip(queries(&timed)) {
        assert_eq!(left["verdict"], right["verdict"], "{}", left["name"]);
        assert_eq!(right["time"].is_null(), right["verdict"] == "unchanged", "{}", right["name"]);
        if let Some(time) = right["time"].as_object() {
            taken += 1;
            assert_eq!(time["runs"], 9);
            assert!(time["inside_the_noise"].is_boolean());
            for side in ["before_ms", "after_ms"] {
                let [min, median, max] = ["min", "median", "max"].map(|of| time[side][of].as_f64().unwrap());
                assert!(0.0 < min && min <= median && median <= max, "{side}: {min} {median} {max}");
            }
        }
    }
    assert!(taken > 0, "the new index changed a query: {timed}");
}

#[test]
fn an_option_turns_off_what_the_file_turns_on_and_what_does_not_fit_is_left_out() {
    let place = Place::new("options", "SELECT 1;\n");
    place.write("seatrial.toml", "measure_writes = true\n");
    let off = place.report(&["--passes", "measure", "--measure-writes=false"]);
    assert!(queries(&off).iter().all(|each| each["writes"].is_null()));
    let variable = place.check_with(&["--passes", "measure", "--format", "json"], "SEATRIAL_MEASURE_WRITES", "off");
    assert!(queries(&variable.report()).iter().all(|each| each["writes"].is_null()), "{}", variable.stderr);
    let estimate = variable.stderr.lines().find_map(|line| line.split_once("1 copy (measure 1) of ")).unwrap().1;
    let copy: u64 = estimate.split_once(" MB").unwrap().0.parse().unwrap();
    // Room for one copy and its 32 MB of WAL, not for two copies.
    let disk = format!("{}MB", copy + 32 + copy / 2);
    let tight = place.report(&["--passes", "measure", "--measure-time", "--max-disk", &disk]);
    assert_eq!(writes(&tight, "create_order")["before"]["rows"], 1, "{}", tight["query_notes"]);
    assert_eq!(tight["complete"], true);
    let notes = tight["query_notes"].to_string();
    assert!(notes.contains("the time of changed queries: not measured, --max-disk "), "{notes}");
}
