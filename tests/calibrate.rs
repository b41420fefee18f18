//! A running server as the source: copies get what its planner is set to, and it is asked how it plans the hot queries
//! before a regression on the copy is called one.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::place::{Place, ROLE};
use support::{Ran, project, run, seatrial, state_folder};

/// Rows that are all `done` but for a few, in a table nobody analyses by itself.
const ROWS: &str = "
CREATE TABLE orders (id int PRIMARY KEY, status text NOT NULL, note text) WITH (autovacuum_enabled = false);
INSERT INTO orders SELECT n, CASE WHEN n % 1000 = 0 THEN 'open' ELSE 'done' END, repeat('x', 60)
  FROM generate_series(1, 20000) n;
CREATE INDEX orders_status_idx ON orders (status);
";
/// As if nearly all were open: the source reads the whole table for them, the freshly restored copy goes by the index.
const STALE: &str = "
UPDATE orders SET status = 'open';
ANALYZE orders;
UPDATE orders SET status = 'done' WHERE id % 1000 <> 0;
";

/// As if few were open: the source goes by the index, the copy reads the whole table.
const STALE_THE_OTHER_WAY: &str = "ANALYZE orders; UPDATE orders SET status = 'open' WHERE id % 1000 <> 0;";

const QUERY: &str = "-- name: open_orders\nSELECT id, note FROM orders WHERE status = 'open';\n";
const DROPPED: &str = "DROP INDEX orders_status_idx;\n";

async fn database(place: &Place, name: &str, more: &str) {
    place.execute("postgres", "seatrial_superuser", &format!("CREATE DATABASE {name} OWNER {ROLE}")).await.unwrap();
    place.execute(name, "seatrial_superuser", &format!("GRANT CREATE ON SCHEMA public TO {ROLE}")).await.unwrap();
    for part in [ROWS, more] {
        place.execute(name, ROLE, part).await.unwrap();
    }
}

fn rehearse(place: &Place, database: &str, arguments: &[&str]) -> Ran {
    let project = project();
    for (name, text) in [("1_drop.sql", DROPPED), ("queries.sql", QUERY)] {
        std::fs::write(project.path().join(name), text).unwrap();
    }
    let endpoint = place.endpoint();
    let source =
        format!("postgresql:///{database}?host={}&port={}&user={ROLE}", endpoint.socket_dir.display(), endpoint.port);
    let mut command = seatrial(project.path(), &state_folder("calibrate"));
    command.args(["check", "1_drop.sql", "--source", &source, "--queries", "queries.sql", "--passes", "measure"]);
    run(command.args(["--format", "json"]).args(arguments))
}

fn findings(report: &Value, id: &str) -> Vec<Value> {
    report["findings"].as_array().unwrap().iter().filter(|finding| finding["id"] == id).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_regression_is_one_where_the_source_plans_as_the_copy_and_a_prediction_where_it_does_not() {
    let place = Place::with(&[("random_page_cost", "1.25")]).await;
    let set = format!("ALTER ROLE {ROLE} SET work_mem = '7MB'");
    place.execute("postgres", "seatrial_superuser", &set).await.unwrap();
    database(&place, "faithful", "ANALYZE orders").await;
    database(&place, "stale", STALE).await;
    database(&place, "stale_the_other_way", STALE_THE_OTHER_WAY).await;

    let ran = rehearse(&place, "faithful", &[]);
    assert!(ran.stderr.contains("how it plans the hot queries (EXPLAIN, read-only)"), "{}", ran.stderr);
    let report = ran.report();
    assert_eq!(report["engine"]["settings"]["random_page_cost"], "1.25", "{:#}", report["engine"]);
    assert_eq!(report["engine"]["settings"]["work_mem"], "7MB", "{:#}", report["engine"]);
    let notes = report["source"]["fidelity_notes"].to_string();
    assert!(notes.contains("calibrated: the source makes the same 1 plan of hot queries"), "{notes}");
    assert_eq!(findings(&report, "plan/regressed").len(), 1, "{:#}", report["findings"]);
    assert_eq!((report["answers"]["slower"]["verdict"].as_str(), ran.code), (Some("yes"), Some(1)));

    let ran = rehearse(&place, "stale", &[]);
    let report = ran.report();
    let notes = report["source"]["fidelity_notes"].to_string();
    if report["source"]["fidelity"] == "logical_with_statistics" {
        // From 18 on a dump brings the source's own statistics, stale as they are.
        assert!(place.major() >= 18 && notes.contains("the source makes the same 1 plan"), "{notes}");
        return;
    }
    assert!(notes.contains("calibrated: of 1 plan of hot queries the source makes 1 in another way"), "{notes}");
    assert!(findings(&report, "plan/regressed").is_empty(), "{:#}", report["findings"]);
    let predicted = findings(&report, "plan/predicted");
    assert_eq!(predicted.len(), 1, "{:#}", report["findings"]);
    assert_eq!((&predicted[0]["severity"], &predicted[0]["confidence"]), (&"warning".into(), &"predicted".into()));
    let message = predicted[0]["message"].as_str().unwrap();
    assert!(message.contains("the source reads public.orders by Seq Scan"), "{message}");
    assert_eq!(report["queries"][0]["confidence"], "predicted");
    assert_eq!(report["answers"]["slower"]["verdict"], "unknown", "{:#}", report["answers"]);
    assert_eq!(ran.code, Some(0), "a warning is no error\n{}", ran.stderr);

    let report = rehearse(&place, "stale_the_other_way", &[]).report();
    let dropped = findings(&report, "index/dropped-in-use");
    assert_eq!(dropped.len(), 1, "{:#}", report["findings"]);
    assert_eq!((&dropped[0]["severity"], &dropped[0]["confidence"]), (&"warning".into(), &"predicted".into()));
    assert!(dropped[0]["message"].as_str().unwrap().contains("the source's own plans of open_orders"), "{dropped:?}");
    assert_eq!(report["answers"]["slower"]["verdict"], "unknown", "{:#}", report["answers"]);

    let ran = rehearse(&place, "stale", &["--calibrate=false"]);
    let report = ran.report();
    assert!(!report["source"]["fidelity_notes"].to_string().contains("calibrated"), "{:#}", report["source"]);
    assert_eq!(findings(&report, "plan/regressed").len(), 1, "the copy's own plans alone: {:#}", report["findings"]);

    // The dump is there from before; the source is not asked to begin with.
    place.execute("postgres", "seatrial_superuser", &format!("ALTER ROLE {ROLE} NOLOGIN")).await.unwrap();
    let report = rehearse(&place, "stale", &[]).report();
    let notes = report["source"]["fidelity_notes"].to_string();
    assert!(notes.contains("not calibrated: cannot read database stale on "), "{notes}");
    assert!(notes.contains("not permitted to log in"), "{notes}");
    assert_eq!(findings(&report, "plan/regressed").len(), 1, "{:#}", report["findings"]);
}
