use super::super::schema;
use super::*;

const SHOP: &str = "
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INT, status TEXT);
    CREATE INDEX by_customer ON orders (customer_id);
    CREATE INDEX by_status ON orders (status) WHERE status <> 'paid';
    CREATE TABLE notes (text TEXT);
    CREATE TABLE late (a UNIQUE);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
    INSERT INTO orders SELECT i, i % 10, iif(i % 7, 'paid', 'open') FROM n;
    INSERT INTO notes SELECT 'n' || id FROM orders;
    INSERT INTO late SELECT id FROM orders;";

/// What was repaired, and the statistics before, right after and settled.
fn settled(analyze: &str, statements: &[&str]) -> (Vec<Repaired>, [Saved; 3]) {
    let connection = Connection::open_in_memory().expect("memory");
    connection.execute_batch(SHOP).expect("shop");
    connection.execute_batch(analyze).expect(analyze);
    let before = schema::read(&connection).expect("before");
    let saved = Saved::read(&connection).expect("saved");
    for sql in statements {
        connection.execute_batch(sql).expect(sql);
    }
    let after = schema::read(&connection).expect("after");
    let right_after = Saved::read(&connection).expect("right after");
    let repaired = settle(&connection, &saved, &before, &after).expect("settled");
    assert!(connection.is_autocommit());
    let now = Saved::read(&connection).expect("now");
    (repaired, [saved, right_after, now])
}

fn told(repaired: &[Repaired]) -> Vec<(&str, Option<&str>, Method)> {
    repaired.iter().map(|each| (each.table.as_str(), each.index.as_deref(), each.method)).collect()
}

const ANALYZED: &str = "ANALYZE orders; ANALYZE notes";

#[test]
fn what_was_not_touched_is_left_alone_and_what_was_never_analysed_stays_so() {
    let (repaired, [before, after, now]) =
        settled(ANALYZED, &["UPDATE orders SET customer_id = 3", "CREATE INDEX late_a ON late (a)"]);
    assert_eq!((told(&repaired), &before), (Vec::new(), &now));
    assert_eq!(after, now);
    let (repaired, [.., now]) = settled("", &["CREATE TABLE t (a)", "CREATE INDEX t_a ON t (a)"]);
    assert_eq!((repaired, now), (Vec::new(), Saved::default()));
}

#[test]
fn a_rebuilt_table_has_its_statistics_back_and_new_indexes_are_analysed() {
    let (repaired, [before, after, now]) = settled(
        ANALYZED,
        &[
            "CREATE TABLE new_orders (id INTEGER PRIMARY KEY, customer_id INT, status TEXT, note TEXT)",
            "INSERT INTO new_orders SELECT *, NULL FROM orders",
            "DROP TABLE orders",
            "ALTER TABLE new_orders RENAME TO orders",
            "CREATE INDEX by_client ON orders (customer_id)",
            "CREATE INDEX by_status ON orders (status) WHERE status <> 'paid'",
            "CREATE INDEX by_note ON orders (note)",
            "CREATE TABLE fresh (a); INSERT INTO fresh VALUES (1), (2)",
        ],
    );
    assert_eq!(
        told(&repaired),
        [
            ("fresh", None, Method::Analysed),
            ("orders", Some("by_client"), Method::Kept),
            ("orders", Some("by_note"), Method::Analysed),
            ("orders", Some("by_status"), Method::Kept),
        ]
    );
    assert!(!after.knows("orders"), "{after:?}");
    for at in 0..2 {
        let values = |of: &Saved, index: &str| {
            of.of(at, "orders", Some(index)).map(|row| row.values.clone()).collect::<Vec<_>>()
        };
        assert_eq!(values(&before, "by_customer"), values(&now, "by_client"));
        assert_eq!(values(&before, "by_status"), values(&now, "by_status"));
        assert!(!values(&now, "by_client").is_empty() && !values(&now, "by_note").is_empty());
    }
    assert!(now.knows("fresh") && now.knows("notes"));
}

#[test]
fn a_renamed_table_leaves_its_rows_behind_and_has_them_again() {
    let (repaired, [_, after, now]) = settled(
        ANALYZED,
        &[
            "ALTER TABLE orders RENAME TO purchases",
            "ALTER TABLE notes RENAME TO remarks",
            "ALTER TABLE purchases RENAME COLUMN customer_id TO client_id",
        ],
    );
    assert!(!after.knows("purchases"));
    assert_eq!(
        told(&repaired),
        [
            ("purchases", Some("by_customer"), Method::Kept),
            ("purchases", Some("by_status"), Method::Kept),
            ("remarks", None, Method::Kept),
        ]
    );
    assert!(now.knows("purchases") && now.knows("remarks"));
}

#[test]
fn values_of_another_kind_are_analysed_and_an_analyze_of_the_run_does_not_count() {
    let (repaired, _) = settled(
        ANALYZED,
        &[
            "CREATE TABLE new_orders (id INTEGER PRIMARY KEY, customer_id TEXT, status TEXT)",
            "INSERT INTO new_orders SELECT * FROM orders",
            "DROP TABLE orders",
            "ALTER TABLE new_orders RENAME TO orders",
            "CREATE INDEX by_customer ON orders (customer_id)",
        ],
    );
    assert_eq!(told(&repaired), [("orders", Some("by_customer"), Method::Analysed)]);
    let (repaired, [before, _, now]) = settled("ANALYZE", &["DELETE FROM orders WHERE id > 100", "ANALYZE"]);
    assert!(repaired.iter().any(|each| each.table == "orders" && each.method == Method::Kept), "{repaired:?}");
    assert_eq!(before.of(0, "orders", Some("by_customer")).next(), now.of(0, "orders", Some("by_customer")).next());
    let (repaired, [before, after, now]) = settled(ANALYZED, &["DROP TABLE sqlite_stat1", "DROP TABLE sqlite_stat4"]);
    assert!(!repaired.is_empty() && after.is_empty() && now.knows("orders") && before.knows("orders"));
}

#[test]
fn the_key_of_a_table_without_rowids_has_its_rows_back_too() {
    let made = "CREATE TABLE links (a INT, b INT, PRIMARY KEY (a, b)) WITHOUT ROWID; \
                INSERT INTO links SELECT id % 7, id FROM orders; CREATE INDEX by_b ON links (b); ANALYZE";
    let rebuilt = |key: &'static str| {
        let (repaired, [before, _, now]) = settled(
            made,
            &[
                key,
                "INSERT INTO new_links SELECT * FROM links; DROP TABLE links",
                "ALTER TABLE new_links RENAME TO links; CREATE INDEX by_b ON links (b)",
            ],
        );
        let rows = |of: &Saved, index| of.of(0, "links", Some(index)).cloned().collect::<Vec<_>>();
        assert_eq!(rows(&before, "by_b"), rows(&now, "by_b"));
        assert_eq!((rows(&now, "links").len(), rows(&now, "by_b").len()), (1, 1));
        repaired.into_iter().map(|each| (each.index.unwrap_or_default(), each.method)).collect::<Vec<_>>()
    };
    let kept = rebuilt("CREATE TABLE new_links (a INT, b INT, PRIMARY KEY (a, b)) WITHOUT ROWID");
    assert_eq!(kept, [("by_b".to_owned(), Method::Kept), ("links".to_owned(), Method::Kept)]);
    let other = rebuilt("CREATE TABLE new_links (a INT, b INT, PRIMARY KEY (b, a)) WITHOUT ROWID");
    assert_eq!(other, [("by_b".to_owned(), Method::Kept), ("links".to_owned(), Method::Analysed)]);
}

#[test]
fn tables_and_indexes_with_statistics_are_listed() {
    let connection = Connection::open_in_memory().expect("memory");
    assert!(listed(&connection).expect("none").is_empty());
    connection.execute_batch(SHOP).and_then(|()| connection.execute_batch(ANALYZED)).expect("shop");
    let names: Vec<String> =
        listed(&connection).expect("listed").into_iter().map(|(table, index)| format!("{table} {index}")).collect();
    assert_eq!(names, ["notes ", "orders by_customer", "orders by_status"]);
}
