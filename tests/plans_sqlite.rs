//! What becomes of hot queries on SQLite: pairs of before and after, run for real.

use seatrial::diff::plan::render::Values;
use seatrial::diff::plan::verdict::{Lasts, PlanConfidence, Thresholds, Verdict};
use seatrial::diff::plan::{Doubt, Moments, PlanDiff, SelfTest, compare_plans};
use seatrial::engine::sqlite::connection::{Purpose, Stop, open};
use seatrial::engine::sqlite::explain::{Options, capture};
use seatrial::engine::sqlite::schema;
use seatrial::engine::sqlite::statistics::{self, Saved};
use seatrial::snapshot::sqlite::Schema;
use seatrial::snapshot::sqlite::catalog::catalog;
use seatrial::snapshot::sqlite::identity::Identities;
use seatrial::snapshot::{RelationSize, Snapshot};
use seatrial::workload::{Gates, HotQuery, Limits, ParameterSet};
use std::sync::Arc;

/// 20,000 orders of 1,000 customers.
const SHOP: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INT, number TEXT, status TEXT, total INT);
    CREATE INDEX by_customer ON orders (customer_id);
    CREATE INDEX by_number ON orders (number);
    CREATE INDEX by_status ON orders (status, total);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    INSERT INTO orders SELECT i, i % 1000, 'n' || i, iif(i % 50, 'paid', 'open'), i % 977 FROM n;
    INSERT INTO customers SELECT DISTINCT customer_id, 'c' || customer_id FROM orders;";

struct Copy {
    folder: Arc<tempfile::TempDir>,
    connection: rusqlite::Connection,
    stop: Stop,
    queries: Vec<HotQuery>,
}

impl Copy {
    fn new(queries: Vec<HotQuery>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("copy.db");
        let made = rusqlite::Connection::open(&path).expect("made");
        made.execute_batch(SHOP).expect("filled");
        drop(made);
        let stop = Stop::default();
        let connection = open(&path, Purpose::Migration { foreign_keys: false }, &stop).expect("open");
        Self { folder: Arc::new(folder), connection, stop, queries }
    }

    /// The same file as a new connection sees it.
    fn reopened(&self) -> Self {
        let stop = Stop::default();
        let path = self.folder.path().join("copy.db");
        let connection = open(&path, Purpose::Observer, &stop).expect("open");
        Self { folder: Arc::clone(&self.folder), connection, stop, queries: self.queries.clone() }
    }

    fn schema(&self) -> Schema {
        schema::read(&self.connection).expect("the schema")
    }

    fn snapshot(&self, schema: &Schema, identities: &mut Identities) -> Snapshot {
        let catalog = catalog(schema, identities);
        let mut snapshot = Snapshot { sizes: Default::default(), plans: self.plans(schema), catalog: catalog.into() };
        for table in schema.tables.values() {
            let sql = format!("SELECT count(*) FROM {}", seatrial::snapshot::sqlite::quote(&table.name));
            let rows: f64 = self.connection.query_row(&sql, [], |row| row.get(0)).expect("a count");
            let size = RelationSize { bytes: 0, table_bytes: 0, blocks: 0, rows: Some(rows), all_visible: 0 };
            snapshot.sizes.insert(identities.relation(&table.name).expect("numbered"), size);
        }
        snapshot
    }

    fn plans(&self, schema: &Schema) -> Vec<seatrial::snapshot::plan::PlanCapture> {
        let queries: Vec<&HotQuery> = self.queries.iter().collect();
        let options = Options { measure_writes: true, ..Options::default() };
        capture(&self.connection, schema, &queries, &options, &self.stop).expect("not ended")
    }

    /// The plans before and after the statements; what was captured twice before was alike.
    fn compared(&self, statements: &[&str]) -> Vec<PlanDiff> {
        let mut schema = self.schema();
        let first = Identities::of(&schema);
        let mut now = first.clone();
        let before = self.snapshot(&schema, &mut now);
        let again = self.plans(&schema);
        let test = SelfTest::of(&before, &again, &Thresholds::default());
        assert_eq!((test.captures, test.differing), (before.plans.len(), Vec::new()));
        for sql in statements {
            self.connection.execute_batch(sql).expect(sql);
            let after = self.schema();
            now.follow(&schema, &after);
            schema = after;
        }
        let after = self.snapshot(&schema, &mut now.rebuilt(&first));
        let moments = Moments { again: &again, ..Moments::between(&before, &after) };
        compare_plans(moments, &self.queries, &Thresholds::default(), Values::Redacted, |_| Doubt::default())
    }
}

fn query(sql: &str) -> HotQuery {
    HotQuery::bare("q", sql)
}

fn after(sql: &str, statements: &[&str]) -> PlanDiff {
    Copy::new(vec![query(sql)]).compared(statements).remove(0)
}

const BY_CUSTOMER: &str = "SELECT * FROM orders o WHERE customer_id = 7";
const BY_NUMBER: &str = "SELECT * FROM orders WHERE number = 'n77'";

/// The twelve steps, as they are done right or with something left out.
fn rebuild(columns: &str, copied: &str, indexes: &[&'static str]) -> Vec<String> {
    let mut statements = vec![
        format!("CREATE TABLE new_orders ({columns})"),
        format!("INSERT INTO new_orders SELECT {copied} FROM orders"),
        "DROP TABLE orders".to_owned(),
        "ALTER TABLE new_orders RENAME TO orders".to_owned(),
    ];
    statements.extend(indexes.iter().map(|index| (*index).to_owned()));
    statements
}

const COLUMNS: &str = "id INTEGER PRIMARY KEY, customer_id INT, number TEXT, status TEXT, total INT";
const INDEXES: [&str; 3] = [
    "CREATE INDEX by_customer ON orders (customer_id)",
    "CREATE INDEX by_number ON orders (number)",
    "CREATE INDEX by_status ON orders (status, total)",
];

#[test]
fn a_dropped_index_turns_a_search_into_a_scan_and_the_work_says_how_much() {
    let diff = after(BY_CUSTOMER, &["DROP INDEX by_customer"]);
    assert_eq!((diff.verdict.verdict, diff.verdict.confidence), (Verdict::Regressed, PlanConfidence::Measured));
    assert_eq!(diff.objects, ["main.by_customer"]);
    assert!(diff.verdict.factor.is_some_and(|factor| factor > 100.0), "{diff:?}");
    assert!(diff.headline.starts_with("main.orders: SEARCH using by_customer became SCAN; "), "{}", diff.headline);
    assert!(diff.headline.contains(" VM steps became "), "{}", diff.headline);
    for line in
        ["-   SEARCH using by_customer on main.orders o", "Index Cond: o.customer_id=?", "+   SCAN on main.orders o"]
    {
        assert!(diff.text.contains(line), "{}", diff.text);
    }
    assert!(!diff.text.contains("rows=") && !diff.text.contains("cost"), "{}", diff.text);
}

#[test]
fn an_index_of_another_affinity_or_collation_than_is_asked_for_is_no_use() {
    // A number compared with a text is compared as a number, which is not the order of the index.
    let texts = COLUMNS.replace("customer_id INT", "customer_id TEXT");
    let joined = "SELECT count(*) FROM customers c CROSS JOIN orders o ON o.customer_id = c.id WHERE c.name = 'c7'";
    let no_case = COLUMNS.replace("number TEXT", "number TEXT COLLATE NOCASE");
    let binary = [INDEXES[0], "CREATE INDEX by_number ON orders (number COLLATE BINARY)", INDEXES[2]];
    for (sql, statements) in [(joined, rebuild(&texts, "*", &INDEXES)), (BY_NUMBER, rebuild(&no_case, "*", &binary))] {
        let diff = after(sql, &statements.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(diff.verdict.verdict, Verdict::Regressed, "{sql}: {diff:?}");
        assert!(diff.headline.contains("SEARCH") && diff.headline.contains(" became "), "{}", diff.headline);
        assert!(diff.headline.contains("SCAN"), "{}", diff.headline);
    }
}

#[test]
fn a_rebuild_that_loses_an_index_is_a_regression_and_one_that_keeps_them_is_none() {
    let lost = rebuild(COLUMNS, "*", &INDEXES[1..]);
    let diff = after(BY_CUSTOMER, &lost.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(diff.verdict.verdict, Verdict::Regressed);
    assert_eq!(diff.objects, ["main.by_customer"]);
    let kept = rebuild(COLUMNS, "*", &INDEXES);
    let diff = after(BY_CUSTOMER, &kept.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((diff.verdict.verdict, diff.text.as_str()), (Verdict::Unchanged, ""));
    assert!(!diff.plan_changed());
}

#[test]
fn a_covering_index_that_covers_no_more_is_another_access() {
    let diff = after(
        "SELECT sum(total) FROM orders WHERE status = 'paid'",
        &["DROP INDEX by_status", "CREATE INDEX by_status ON orders (status)"],
    );
    assert_eq!(diff.verdict.verdict, Verdict::PlanChanged, "{}", diff.text);
    assert!(diff.headline.contains("covering SEARCH became SEARCH, both using by_status"), "{}", diff.headline);
}

#[test]
fn an_automatic_index_and_a_new_sort_are_told_and_judged_by_their_work() {
    let join = "SELECT count(*) FROM customers c JOIN orders o ON o.number = c.name";
    let diff = after(join, &["DROP INDEX by_number"]);
    assert!(diff.text.contains("AUTOMATIC"), "{}", diff.text);
    assert!(
        diff.right_after
            .as_ref()
            .and_then(|side| side.captured.work())
            .and_then(|work| work.steps)
            .is_some_and(|steps| steps.automatic_indexes > 0)
    );
    let newest = "SELECT * FROM orders ORDER BY number LIMIT 5";
    let diff = after(newest, &["DROP INDEX by_number"]);
    assert_eq!(diff.verdict.verdict, Verdict::Regressed);
    assert!(diff.text.contains("+   USE TEMP B-TREE FOR ORDER BY"), "{}", diff.text);
    let steps = |side: &seatrial::diff::plan::PlanSide| side.captured.work().and_then(|work| work.steps).expect("run");
    assert_eq!((steps(&diff.before).sorts, steps(diff.right_after.as_ref().expect("after")).sorts), (0, 1));
}

#[test]
fn growth_of_the_tables_explains_as_much_work_and_no_more() {
    let twice = "INSERT INTO orders SELECT id + 20000, customer_id, number, status, total FROM orders";
    let count = "SELECT count(*) FROM orders WHERE total + 0 > 5";
    let diff = after(count, &[twice]);
    assert_eq!(diff.verdict.verdict, Verdict::GrewWithTable, "{diff:?}");
    assert_eq!(after(BY_CUSTOMER, &[twice]).verdict.verdict, Verdict::GrewWithTable);
    // One row is one row, however many there are.
    let one = after("SELECT * FROM orders WHERE id = 5", &[twice, "DROP INDEX by_number"]);
    assert_eq!((one.verdict.verdict, one.verdict.growth), (Verdict::Unchanged, 1.0));
    let worse = after(BY_CUSTOMER, &[twice, "DROP INDEX by_customer"]);
    assert_eq!(worse.verdict.verdict, Verdict::Regressed);
}

#[test]
fn renames_of_tables_columns_and_indexes_change_nothing() {
    let view = |sql: &str| {
        Copy::new(vec![query(sql)]).compared(&[
            "ALTER TABLE orders RENAME COLUMN customer_id TO client_id",
            "DROP INDEX by_customer",
            "CREATE INDEX by_client ON orders (client_id)",
            "ALTER TABLE orders RENAME TO purchases",
            "CREATE VIEW orders AS SELECT id, client_id AS customer_id, number, status, total FROM purchases",
        ])
    };
    for sql in [
        "SELECT total FROM orders WHERE customer_id = 7",
        "SELECT total FROM orders WHERE status = 'open' AND total > 900",
    ] {
        let diff = view(sql).remove(0);
        assert_eq!((diff.verdict.verdict, diff.plan_changed()), (Verdict::Unchanged, false), "{}", diff.text);
    }
}

#[test]
fn nothing_done_is_nothing_found() {
    let set =
        |name: &str, value: &str| ParameterSet { name: name.to_owned(), values: vec![value.to_owned()], drawn: false };
    let copy = Copy::new(vec![
        query(BY_CUSTOMER),
        HotQuery {
            sets: vec![set("few", "'open'"), set("many", "'paid'")],
            parameters: vec!["status".to_owned()],
            ..HotQuery::bare("p", "SELECT * FROM orders WHERE status = $1 ORDER BY number")
        },
        HotQuery::bare("w", "UPDATE orders SET total = total + 1 WHERE customer_id = 7"),
        HotQuery::bare("b", "SELECT * FROM absent"),
    ]);
    for diff in copy.compared(&[]) {
        assert_eq!((diff.verdict.verdict, diff.text.as_str()), (Verdict::Unchanged, ""), "{diff:?}");
    }
    let again: Vec<PlanDiff> = copy.compared(&["CREATE TABLE other (a)", "ALTER TABLE orders ADD COLUMN note TEXT"]);
    assert!(again.iter().all(|diff| diff.verdict.verdict == Verdict::Unchanged), "{again:?}");
}

#[test]
fn a_write_that_was_run_is_judged_like_a_read() {
    let diff = after("DELETE FROM orders WHERE customer_id = 7", &["DROP INDEX by_customer"]);
    assert_eq!((diff.verdict.verdict, diff.verdict.confidence), (Verdict::Regressed, PlanConfidence::Measured));
}

#[test]
fn a_query_that_is_refused_afterwards_is_broken() {
    let diff = after("SELECT total FROM orders", &["ALTER TABLE orders RENAME COLUMN total TO amount"]);
    assert_eq!(diff.verdict.verdict, Verdict::Broken);
    assert!(diff.headline.contains("no such column: total"), "{}", diff.headline);
}

#[test]
fn budgets_and_thresholds_are_in_vm_steps_and_a_scan_is_a_scan() {
    let gates = Gates {
        max_steps: Some(10_000),
        no_seq_scan_over: Some(10_000),
        must_use_index: vec!["by_customer".to_owned()],
        ..Gates::default()
    };
    let copy = Copy::new(vec![HotQuery { gates, ..query(BY_CUSTOMER) }]);
    let diff = copy.compared(&["DROP INDEX by_customer"]).remove(0);
    let missed: Vec<String> = diff.verdict.missed.iter().map(ToString::to_string).collect();
    assert!(missed[0].ends_with(" VM steps, max_steps is 10,000"), "{missed:?}");
    assert_eq!(missed[1], "there is no index by_customer, which its plan must use (must_use_index)");
    assert_eq!(missed[2], "SCAN on main.orders with 20,000 rows, no_seq_scan_over is 10,000");
    let generous = Limits { plan_steps: Some(10_000_000), ..Limits::default() };
    let copy = Copy::new(vec![HotQuery { limits: generous, weight: 0.01, ..query(BY_CUSTOMER) }]);
    assert_eq!(copy.compared(&["DROP INDEX by_customer"]).remove(0).verdict.verdict, Verdict::PlanChanged);
}

/// The plan before, right after and once the statistics are settled.
fn settled(sql: &str, statements: &[&str]) -> PlanDiff {
    let copy = Copy::new(vec![query(sql)]);
    copy.connection.execute_batch("ANALYZE").expect("analysed");
    let old = copy.schema();
    let first = Identities::of(&old);
    let before = copy.snapshot(&old, &mut first.clone());
    let saved = Saved::read(&copy.connection).expect("saved");
    let mut now = first.clone();
    for sql in statements {
        let was = copy.schema();
        copy.connection.execute_batch(sql).expect(sql);
        now.follow(&was, &copy.schema());
    }
    let new = copy.schema();
    let mut now = now.rebuilt(&first);
    let right_after = copy.reopened().snapshot(&new, &mut now);
    statistics::settle(&copy.connection, &saved, &old, &new).expect("settled");
    let settled = copy.reopened().snapshot(&new, &mut now);
    let moments = Moments { settled: Some(&settled), ..Moments::between(&before, &right_after) };
    let thresholds = Thresholds::default();
    compare_plans(moments, &copy.queries, &thresholds, Values::Redacted, |_| Doubt::default()).remove(0)
}

#[test]
fn a_rebuild_that_loses_statistics_is_worse_until_analyze() {
    // Of the rows of each status there are many, of each customer few: without statistics both indexes look alike.
    let sql = "SELECT count(number) FROM orders WHERE status = 'paid' AND total > 0 AND customer_id = 7";
    let kept = rebuild(COLUMNS, "*", &INDEXES);
    let diff = settled(sql, &kept.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((diff.verdict.verdict, diff.verdict.lasts), (Verdict::Transient, Some(Lasts::UntilAnalyze)), "{diff:?}");
    let untouched = settled(sql, &["CREATE TABLE other (a)"]);
    assert_eq!(untouched.verdict.verdict, Verdict::Unchanged);
}
