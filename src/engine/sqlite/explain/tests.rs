use super::super::connection::{Purpose, open};
use super::super::schema;
use super::*;
use crate::snapshot::plan::PlanNode;
use crate::workload::ParameterSet;

/// A shop with 2,000 orders of 100 customers, half of them of the first.
const SHOP: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INT, status TEXT, total INT, \"odd (x) USING INDEX y\" INT);
    CREATE INDEX by_customer ON orders (customer_id, status);
    CREATE INDEX \"by (total) AND more\" ON orders (total);
    CREATE INDEX by_lower ON orders (lower(status));
    CREATE TABLE links (a INT, b INT, PRIMARY KEY (a, b)) WITHOUT ROWID;
    CREATE VIEW open_orders AS SELECT o.id, o.customer_id FROM orders AS o WHERE o.status = 'open';
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO orders SELECT i, iif(i % 2, 1, i % 100), iif(i % 7, 'paid', 'open'), i, i FROM n;
    INSERT INTO customers SELECT DISTINCT customer_id, 'c' FROM orders;
    INSERT INTO links SELECT id, id + 1 FROM orders;
    ANALYZE;";

struct Shop {
    _folder: tempfile::TempDir,
    connection: Connection,
    stop: Stop,
}

impl Shop {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("shop.db");
        rusqlite::Connection::open(&path).and_then(|made| made.execute_batch(SHOP)).expect("made");
        let stop = Stop::default();
        let connection = open(&path, Purpose::Migration { foreign_keys: false }, &stop).expect("open");
        Self { _folder: folder, connection, stop }
    }

    fn captured(&self, query: &HotQuery, options: &Options) -> Vec<Captured> {
        let schema = schema::read(&self.connection).expect("schema");
        let captures = capture(&self.connection, &schema, &[query], options, &self.stop).expect("not ended");
        captures.into_iter().map(|capture| capture.captured).collect()
    }

    fn one(&self, sql: &str) -> Captured {
        self.captured(&HotQuery::bare("q", sql), &Options::default()).remove(0)
    }

    /// Every node of its plan but the root.
    fn nodes(&self, sql: &str) -> Vec<PlanNode> {
        let captured = self.one(sql);
        let plan = captured.plan().unwrap_or_else(|| panic!("{sql}: {captured:?}"));
        assert_eq!(plan.root.node_type, sqlite::ROOT);
        plan.nodes().into_iter().skip(1).cloned().collect()
    }

    fn steps(&self, sql: &str) -> Steps {
        self.one(sql).work().and_then(|work| work.steps).unwrap_or_else(|| panic!("{sql} was run"))
    }
}

fn with_values(sql: &str, values: &[&[&str]]) -> HotQuery {
    let sets = values.iter().enumerate().map(|(at, values)| ParameterSet {
        name: format!("set {at}"),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        drawn: false,
    });
    HotQuery { parameters: vec!["id".to_owned()], sets: sets.collect(), ..HotQuery::bare("q", sql) }
}

fn told(node: &PlanNode) -> (&str, Option<&str>, Option<&str>, Option<String>) {
    (node.node_type.as_str(), node.text("Relation Name"), node.index_name(), node.list("Index Cond"))
}

#[test]
fn an_access_names_its_table_its_index_and_what_it_asks_of_it() {
    let shop = Shop::new();
    let cond = |text: &str| Some(text.to_owned());
    for (sql, expected) in [
        (
            "SELECT * FROM orders o WHERE customer_id = 5 AND status > 'a'",
            ("SEARCH", Some("orders"), Some("by_customer"), cond("o.customer_id=? AND o.status>?")),
        ),
        (
            "SELECT * FROM \"orders\" \"O o\" WHERE total BETWEEN 3 AND 4",
            ("SEARCH", Some("orders"), Some("by (total) AND more"), cond("\"O o\".total>? AND \"O o\".total<?")),
        ),
        (
            "SELECT * FROM [orders] WHERE lower(status) = 'x'",
            ("SEARCH", Some("orders"), Some("by_lower"), cond("orders.<expr>=?")),
        ),
        ("SELECT * FROM main.orders AS x WHERE id = 3", ("SEARCH", Some("orders"), None, cond("x.rowid=?"))),
        ("SELECT * FROM links l WHERE a = 3", ("SEARCH", Some("links"), None, cond("l.a=?"))),
        (
            "SELECT id + 1 FROM open_orders v",
            ("SEARCH", Some("orders"), Some("by_customer"), cond("ANY(o.customer_id) AND o.status=?")),
        ),
        ("SELECT * FROM Orders", ("SCAN", Some("orders"), None, None)),
        (
            "SELECT * FROM orders `USING INDEX by_customer (a=?)` WHERE customer_id = 4",
            ("SEARCH", Some("orders"), Some("by_customer"), cond("\"USING INDEX by_customer (a=?)\".customer_id=?")),
        ),
        ("VALUES (1)", ("SCAN CONSTANT ROW", None, None, None)),
        ("SELECT value FROM json_each('[1]')", ("SCAN", None, None, None)),
    ] {
        let nodes = shop.nodes(sql);
        let (kind, table, index, condition) = &expected;
        assert_eq!(told(&nodes[0]), (*kind, *table, *index, condition.clone()), "{sql}: {nodes:?}");
        assert!(nodes[0].relation_name().is_none_or(|relation| relation.schema == "main"));
    }
    let covering = shop.nodes("SELECT status FROM orders WHERE customer_id = 5").remove(0);
    assert!(sqlite::is_covering(&covering), "{covering:?}");
    let by_key = shop.nodes("SELECT * FROM orders WHERE id = 3").remove(0);
    assert!(sqlite::finds_one_row(&by_key) && by_key.text(sqlite::ACCESS_PATH) == Some("INTEGER PRIMARY KEY"));
    let automatic = shop.nodes("SELECT * FROM orders a JOIN orders b ON b.\"odd (x) USING INDEX y\" = a.total + 1");
    assert!(automatic.iter().any(sqlite::is_automatic_index), "{automatic:?}");
}

#[test]
fn what_a_cte_or_a_subquery_makes_is_no_table_and_what_it_reads_is_one() {
    let shop = Shop::new();
    for sql in [
        "WITH customers AS MATERIALIZED (SELECT total FROM orders WHERE status = 'open') SELECT * FROM customers, links",
        "SELECT * FROM (SELECT total FROM orders ORDER BY status LIMIT 5) AS orders, links",
    ] {
        let nodes = shop.nodes(sql);
        let accesses: Vec<_> = nodes.iter().filter(|node| sqlite::is_access(node)).collect();
        let tables: Vec<_> = accesses.iter().map(|node| node.text("Relation Name").unwrap_or("-")).collect();
        assert_eq!(tables, ["orders", "-", "links"], "{sql}: {nodes:?}");
    }
}

#[test]
fn subqueries_unions_and_sorts_stand_under_sqlites_own_names_without_numbers() {
    let shop = Shop::new();
    for (sql, kinds) in [
        ("SELECT * FROM orders ORDER BY status", vec!["SCAN", "USE TEMP B-TREE FOR ORDER BY"]),
        (
            "SELECT (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) FROM customers c",
            vec!["SCAN", "CORRELATED SCALAR SUBQUERY", "SEARCH"],
        ),
        ("SELECT * FROM orders WHERE id IN (SELECT a FROM links)", vec!["LIST SUBQUERY"]),
        (
            "SELECT * FROM orders WHERE total = 1 OR customer_id = 2",
            vec!["MULTI-INDEX OR", "INDEX 1", "SEARCH", "INDEX 2", "SEARCH"],
        ),
        (
            "SELECT id FROM orders UNION ALL SELECT id FROM customers",
            vec!["COMPOUND QUERY", "LEFT-MOST SUBQUERY", "SCAN", "UNION ALL", "SCAN"],
        ),
    ] {
        let nodes = shop.nodes(sql);
        let seen: Vec<&str> = nodes.iter().map(|node| node.node_type.as_str()).collect();
        assert!(kinds.iter().all(|kind| seen.contains(kind)), "{sql}: {seen:?}");
        assert!(nodes.iter().all(|node| node.text(sqlite::DETAIL).is_some()));
    }
}

#[test]
fn work_is_counted_and_the_same_in_every_run() {
    let shop = Shop::new();
    for sql in [
        "SELECT * FROM orders WHERE status = 'paid' ORDER BY total + 1",
        "SELECT count(*) FROM orders a JOIN orders b ON b.\"odd (x) USING INDEX y\" = a.total + 1",
        "SELECT * FROM orders WHERE customer_id = 7",
    ] {
        assert_eq!(shop.steps(sql), shop.steps(sql), "{sql}");
    }
    let sorted = shop.steps("SELECT * FROM orders ORDER BY total + 1");
    assert_eq!((sorted.full_scan, sorted.sorts), (1_999, 1));
    assert!(
        shop.steps("SELECT * FROM orders a JOIN orders b ON b.\"odd (x) USING INDEX y\" = a.total + 1")
            .automatic_indexes
            > 0
    );
    let (few, many) = (shop.steps("SELECT * FROM orders WHERE id = 3"), shop.steps("SELECT * FROM orders"));
    assert!(100 * few.vm < many.vm && few.full_scan == 0, "{few:?} {many:?}");
}

#[test]
fn values_are_expressions_and_decide_about_the_plan_where_sqlite_looks_at_them() {
    let shop = Shop::new();
    let query = with_values("SELECT total FROM orders WHERE customer_id = $1", &[&["40 + 2"], &["1 -- the largest"]]);
    let captured = shop.captured(&query, &Options::default());
    let work: Vec<u64> = captured.iter().filter_map(|each| Some(each.work()?.amount())).collect();
    assert_eq!(work.len(), 2);
    assert!(work[1] > 20 * work[0], "{captured:?}");
    // With the statistics of single values, half of the table is better read from end to end.
    let forced = shop.captured(
        &with_values("SELECT * FROM orders WHERE customer_id = $1 ORDER BY id", &[&["42"], &["1"]]),
        &Options::default(),
    );
    assert_ne!(forced[0].plan().map(|plan| plan.indexes()), forced[1].plan().map(|plan| plan.indexes()), "{forced:?}");
    let without = HotQuery { sets: Vec::new(), ..query };
    assert!(matches!(shop.captured(&without, &Options::default()).as_slice(), [Captured::Planned(_)]));
}

#[test]
fn what_writes_is_planned_and_run_only_when_asked_and_never_for_good() {
    let shop = Shop::new();
    let count = || {
        shop.connection
            .query_row("SELECT count(*), total(total) FROM orders", [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, f64>(1)?))
            })
            .expect("count")
    };
    let before = count();
    let asked = Options { measure_writes: true, ..Options::default() };
    for sql in [
        "DELETE FROM orders WHERE customer_id = 1",
        "UPDATE orders SET total = 0 WHERE total > 5 RETURNING id",
        "INSERT INTO orders (total) VALUES (1)",
        "WITH x AS (SELECT 1 AS id) DELETE FROM orders WHERE id IN x",
        "REPLACE INTO orders (id) VALUES (1)",
    ] {
        let query = HotQuery::bare("q", sql);
        assert!(matches!(shop.captured(&query, &Options::default()).as_slice(), [Captured::Planned(_)]), "{sql}");
        let run = shop.captured(&query, &asked).remove(0);
        assert!(run.work().is_some_and(|work| work.amount() > 0), "{sql}: {run:?}");
        assert_eq!(count(), before, "{sql}");
    }
    shop.connection.execute_batch("BEGIN; DELETE FROM orders WHERE id = 5").expect("a migration");
    let inside = shop.captured(&HotQuery::bare("q", "DELETE FROM orders"), &asked);
    assert!(matches!(inside.as_slice(), [Captured::Planned(_)]), "{inside:?}");
    assert!(!shop.connection.is_autocommit() && count().0 == before.0 - 1);
}

#[test]
fn a_run_that_takes_too_long_is_cut_off_and_what_is_refused_says_why() {
    let shop = Shop::new();
    let endless =
        HotQuery::bare("q", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n");
    let short = Options { timeout: Duration::from_millis(20), ..Options::default() };
    let cut_off = shop.captured(&endless, &short).remove(0);
    assert!(matches!(cut_off, Captured::DidNotFinish(_)), "{cut_off:?}");
    let first = PlanCapture {
        key: PlanKey { query: "q".to_owned(), parameter_set: String::new(), mode: PlanMode::Custom },
        captured: cut_off,
    };
    let patient = Options { timeout: Duration::from_secs(3_600), ..Options::default() };
    let schema = schema::read(&shop.connection).expect("schema");
    let again =
        capture_again(&shop.connection, &schema, &[&endless], &patient, &[first], &shop.stop).expect("not ended");
    assert!(matches!(again[0].captured, Captured::DidNotFinish(_)));
    for (sql, sqlstate) in [
        ("SELECT absent FROM orders", "42703"),
        ("PRAGMA user_version = 3", "0A000"),
        ("ATTACH ':memory:' AS x", "0A000"),
        ("SELECT 1; DELETE FROM orders", "XX000"),
        ("-- nothing", "0A000"),
    ] {
        match shop.one(sql) {
            Captured::Failed { sqlstate: seen, message } => assert_eq!(seen, sqlstate, "{sql}: {message}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
    let hostile = with_values("SELECT * FROM orders WHERE id = $1", &[&["1); DELETE FROM orders; SELECT (1"]]);
    assert!(matches!(shop.captured(&hostile, &Options::default()).as_slice(), [Captured::Failed { .. }]));
    assert_eq!(shop.steps("SELECT * FROM orders").full_scan, 1_999);
    shop.stop.now();
    let ended = capture(&shop.connection, &schema, &[&endless], &patient, &shop.stop).expect_err("ended");
    assert_eq!(ended.result_code, Some("SQLITE_INTERRUPT"));
}

#[test]
fn a_counter_that_began_again_is_put_right() {
    assert_eq!(unwrapped(1_234, 0), 1_234);
    assert_eq!(unwrapped(5, (1 << 32) - 20_000), (1 << 32) + 5);
    assert_eq!(unwrapped(u64::from(u32::MAX), 1 << 32), u64::from(u32::MAX));
    assert_eq!(unwrapped(70_000, (3 << 32) + 60_000), (3 << 32) + 70_000);
}
