//! Statistics over a migration, on a real server: what is still there is never drawn again, and what a new type took
//! away comes back.
#![allow(clippy::unwrap_used)]

mod support;

use seatrial::engine::ServerError;
use seatrial::engine::postgres::session::Session;
use seatrial::engine::postgres::settle::{Missing, RepairMethod, RepairedColumn, repair_statistics, resample, vacuum};
use seatrial::engine::postgres::statistics::SavedStatistics;
use std::collections::BTreeSet;
use support::place::{Place, ROLE};

/// Enough rows for ANALYZE to draw a sample, so that two runs of it differ.
const SCHEMA: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int, code varchar(20), placed timestamp, total int, tags text[]);
    INSERT INTO orders SELECT g, CASE WHEN g % 4 = 0 THEN 7 WHEN g % 10 <> 3 THEN g % 3000 END, 'code ' || (g % 900),
        '2025-01-01'::timestamp + g * interval '1 minute', g % 10000, ARRAY['a' || g % 7]
    FROM generate_series(1, 60000) g;
    CREATE INDEX orders_customer_id_idx ON orders (customer_id);
    CREATE STATISTICS orders_both (ndistinct, dependencies, mcv) ON customer_id, total FROM orders;
    CREATE STATISTICS orders_other (ndistinct, dependencies, mcv) ON code, placed FROM orders;
    CREATE TABLE events (kind int, day date) PARTITION BY RANGE (day);
    CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    INSERT INTO events SELECT g % 200, '2024-01-01'::date + g % 700 FROM generate_series(1, 80000) g;
    VACUUM (ANALYZE);";

async fn database(place: &Place, name: &str, owner: &str) -> Session {
    place.execute("postgres", "seatrial_superuser", &format!("CREATE DATABASE {name} OWNER {owner}")).await.unwrap();
    let mut session = place.session(name, owner).await.unwrap();
    for statement in SCHEMA.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
        session.execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    session
}

async fn text(session: &mut Session, sql: &str) -> Vec<String> {
    let rows = session.query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.rows
        .into_iter()
        .map(|row| row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join("|"))
        .collect()
}

/// One line for each column: everything the planner knows of it, but for its width.
async fn statistics(session: &mut Session, table: &str) -> Vec<String> {
    let sql = format!(
        "SELECT tablename, attname, inherited, null_frac, n_distinct, most_common_vals, most_common_freqs, \
         histogram_bounds, correlation FROM pg_stats WHERE tablename LIKE '{table}' ORDER BY 1, 2, 3"
    );
    text(session, &sql).await
}

async fn counts(session: &mut Session) -> Vec<String> {
    text(session, "SELECT relname, reltuples FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1")
        .await
}

async fn touched(session: &mut Session, tables: &str) -> BTreeSet<u32> {
    let sql = format!("SELECT oid FROM pg_class WHERE relname LIKE '{tables}' AND relkind IN ('r', 'p')");
    text(session, &sql).await.iter().map(|oid| oid.parse().unwrap()).collect()
}

/// Migrates and settles as the measured run does.
async fn settled(session: &mut Session, tables: &str, migration: &str) -> Vec<RepairedColumn> {
    let saved = SavedStatistics::read(session).await.unwrap();
    session.execute(migration).await.unwrap();
    let touched = touched(session, tables).await;
    vacuum(session, &touched).await.unwrap();
    let counted = counts(session).await;
    let repaired = repair_statistics(session, &touched, &saved).await.unwrap();
    assert_eq!(counts(session).await, counted, "row counts are those of VACUUM, not of a sample");
    repaired
}

fn methods(repaired: &[RepairedColumn]) -> Vec<(&str, &RepairMethod)> {
    repaired.iter().map(|column| (column.column.as_str(), &column.method)).collect()
}

#[tokio::test]
async fn statistics_of_an_expression_are_there_and_frozen_like_others() {
    let place = Place::new().await;
    if place.major() < 14 {
        return; // There are none.
    }
    let mut session = database(&place, "expressions", "seatrial_superuser").await;
    session.execute("CREATE STATISTICS orders_lower ON (lower(code)) FROM orders; ANALYZE orders").await.unwrap();
    let known = "SELECT stxname, d.stxdexpr FROM pg_statistic_ext_data d JOIN pg_statistic_ext ON oid = stxoid \
                 WHERE d.stxdexpr IS NOT NULL";
    let before = text(&mut session, known).await;
    assert_eq!(before.len(), 1);
    let tables = touched(&mut session, "orders").await;
    let saved = SavedStatistics::read(&mut session).await.unwrap();
    assert!(Missing::of(&mut session, &tables, &saved).await.unwrap().is_nothing());
    let repaired = settled(&mut session, "orders", "ALTER TABLE orders ADD COLUMN extra int DEFAULT 1").await;
    assert_eq!(methods(&repaired), [("extra", &RepairMethod::Sampled)]);
    assert_eq!(text(&mut session, known).await, before, "a new column changes no other estimate");
    resample::<ServerError>(&mut session, &tables, 1, async || Ok(())).await.unwrap();
    assert_eq!(text(&mut session, known).await, before, "fresh samples are taken back");
    let objects = "SELECT count(*) FROM pg_statistic_ext_data";
    let all = "SELECT count(*) FROM pg_statistic_ext WHERE stxname LIKE 'orders%'";
    assert_eq!(text(&mut session, objects).await, text(&mut session, all).await, "nothing is left beside them");
}

#[tokio::test]
async fn a_column_of_another_type_keeps_its_statistics_and_all_others_theirs() {
    let place = Place::new().await;
    let mut session = database(&place, "types", "seatrial_superuser").await;
    let before = statistics(&mut session, "orders").await;
    let extended = text(
        &mut session,
        "SELECT stxname, stxdndistinct, stxddependencies, stxdmcv FROM pg_statistic_ext_data \
        JOIN pg_statistic_ext ON oid = stxoid WHERE stxname = 'orders_other'",
    )
    .await;
    assert_eq!((before.len(), extended.len()), (6, 1));
    let migration = "ALTER TABLE orders ALTER customer_id TYPE bigint";
    let repaired = settled(&mut session, "orders", migration).await;
    assert_eq!(methods(&repaired), [("customer_id", &RepairMethod::Transplanted)]);
    assert_eq!(statistics(&mut session, "orders").await, before);
    let now = text(
        &mut session,
        "SELECT stxname, stxdndistinct, stxddependencies, stxdmcv FROM pg_statistic_ext_data \
        JOIN pg_statistic_ext ON oid = stxoid WHERE stxname = 'orders_other'",
    )
    .await;
    assert_eq!(now, extended, "other statistics objects are frozen as well");
    let missing = text(
        &mut session,
        "SELECT stxname FROM pg_statistic_ext e WHERE NOT EXISTS (SELECT FROM \
        pg_statistic_ext_data d WHERE d.stxoid = e.oid AND d.stxdndistinct IS NOT NULL)",
    )
    .await;
    assert!(missing.is_empty(), "{missing:?}");
    // The planner takes them: 15,000 of 60,000 orders are customer 7's.
    let plan = text(&mut session, "EXPLAIN SELECT * FROM orders WHERE customer_id = 7").await.join("\n");
    let rows: f64 = plan.split("rows=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap();
    assert!((14_000.0..16_000.0).contains(&rows), "{plan}");
}

#[tokio::test]
async fn values_are_kept_in_the_order_of_the_new_type() {
    let place = Place::new().await;
    let mut session = database(&place, "orders", "seatrial_superuser").await;
    let common = |line: &str| line.split('|').nth(6).map(str::to_owned).unwrap();
    let before = statistics(&mut session, "orders").await;
    let migration = "ALTER TABLE orders ALTER customer_id TYPE text, ALTER placed TYPE timestamptz, ALTER code TYPE text, \
        ALTER total TYPE numeric(12,2)";
    let repaired = settled(&mut session, "orders", migration).await;
    // varchar to text is no other type to the planner's statistics: the server keeps them or we do.
    for (column, method) in methods(&repaired) {
        assert_eq!(method, &RepairMethod::Transplanted, "{column}");
    }
    let names: Vec<&str> = repaired.iter().map(|column| column.column.as_str()).collect();
    assert!(["customer_id", "placed", "total"].iter().all(|column| names.contains(column)), "{names:?}");
    let after = statistics(&mut session, "orders").await;
    assert_eq!(common(&before[1]), common(&after[1]), "frequencies of customer_id");
    let sorted = text(
        &mut session,
        "SELECT bool_and(v >= coalesce(p, v)) FROM (SELECT v, lag(v) OVER (ORDER BY n) p FROM \
        pg_stats, unnest(histogram_bounds::text::text[]) WITH ORDINALITY u(v, n) WHERE attname = 'customer_id') x",
    )
    .await;
    assert_eq!(sorted, ["t"]);
    text(&mut session, "EXPLAIN SELECT * FROM orders WHERE customer_id > '5' AND total < 5.5 AND placed < now()").await;
}

#[tokio::test]
async fn what_is_new_or_has_other_values_is_sampled() {
    let place = Place::new().await;
    let mut session = database(&place, "sampled", "seatrial_superuser").await;
    let before = statistics(&mut session, "orders").await;
    let migration = "ALTER TABLE orders ALTER total TYPE bigint USING total * 100, ADD size int DEFAULT 5; \
        CREATE INDEX orders_upper_idx ON orders (upper(code))";
    let repaired = settled(&mut session, "orders", migration).await;
    assert_eq!(methods(&repaired), [("total", &RepairMethod::Sampled), ("size", &RepairMethod::Sampled)]);
    let after = statistics(&mut session, "orders").await;
    let of = |lines: &[String], column: &str| lines.iter().find(|line| line.contains(&format!("|{column}|"))).cloned();
    for kept in ["id", "customer_id", "code", "placed", "tags"] {
        assert_eq!(of(&after, kept), of(&before, kept), "{kept}");
    }
    assert!(of(&after, "size").unwrap().contains("{5}"));
    assert_ne!(of(&after, "total"), of(&before, "total"));
    let expression =
        text(&mut session, "SELECT n_distinct <> 0 FROM pg_stats WHERE tablename = 'orders_upper_idx'").await;
    assert_eq!(expression, ["t"], "an index's expression is sampled with its table");
    // Nothing is missing any more, so nothing is done.
    let again = settled(&mut session, "orders", "SELECT 1").await;
    assert!(again.is_empty(), "{again:?}");
}

#[tokio::test]
async fn values_that_only_look_alike_are_sampled() {
    let place = Place::new().await;
    let mut session = database(&place, "alike", "seatrial_superuser").await;
    for (migration, column) in [
        // All bounds lie as before, and there are 42 values where there were 60,000.
        ("ALTER TABLE orders ALTER placed TYPE date", "placed"),
        // One value in a hundred is another.
        ("ALTER TABLE orders ALTER total TYPE bigint USING CASE WHEN total % 50 = 7 THEN 5 ELSE total END", "total"),
        ("ALTER TABLE orders ALTER customer_id TYPE bigint USING coalesce(customer_id, id % 3000)", "customer_id"),
    ] {
        let repaired = settled(&mut session, "orders", migration).await;
        assert_eq!(methods(&repaired), [(column, &RepairMethod::Sampled)], "{migration}");
    }
}

#[tokio::test]
async fn a_column_that_takes_the_place_of_another_has_that_ones_statistics() {
    let place = Place::new().await;
    let mut session = database(&place, "swapped", "seatrial_superuser").await;
    let before = statistics(&mut session, "orders").await;
    let migration = "ALTER TABLE orders ADD customer_new bigint; UPDATE orders SET customer_new = customer_id; \
        ALTER TABLE orders DROP customer_id; ALTER TABLE orders RENAME customer_new TO customer_id";
    let repaired = settled(&mut session, "orders", migration).await;
    assert_eq!(methods(&repaired), [("customer_id", &RepairMethod::Transplanted)]);
    assert_eq!(statistics(&mut session, "orders").await, before);
}

#[tokio::test]
async fn rows_in_another_order_have_another_correlation() {
    let place = Place::new().await;
    let mut session = database(&place, "shuffled", "seatrial_superuser").await;
    let correlation = "SELECT correlation FROM pg_stats WHERE tablename = 'orders' AND attname = 'id'";
    assert_eq!(text(&mut session, correlation).await, ["1"]);
    let migration = "CREATE TABLE shuffled (LIKE orders INCLUDING ALL); \
        INSERT INTO shuffled SELECT * FROM orders ORDER BY md5(id::text); \
        ALTER TABLE orders RENAME TO replaced; ALTER TABLE shuffled RENAME TO orders";
    let before = statistics(&mut session, "orders").await;
    let repaired = settled(&mut session, "orders", migration).await;
    assert!(methods(&repaired).contains(&("id", &RepairMethod::Transplanted)), "{repaired:?}");
    let bounds =
        |lines: &[String]| lines.iter().map(|line| line.split('|').nth(7).map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(bounds(&statistics(&mut session, "orders").await), bounds(&before), "the values are the same");
    let now: f64 = text(&mut session, correlation).await[0].parse().unwrap();
    assert!(now.abs() < 0.1, "{now}");
}

#[tokio::test]
async fn a_partition_is_sampled_once_with_its_parent_and_alone_without() {
    let place = Place::new().await;
    if place.major() < 15 {
        return; // Whoever counts there does so later.
    }
    let mut session = database(&place, "once", "seatrial_superuser").await;
    let counted = "SELECT pg_stat_force_next_flush(), relname, analyze_count FROM pg_stat_user_tables \
                   WHERE relname LIKE 'events%' ORDER BY relname";
    let saved = SavedStatistics::read(&mut session).await.unwrap();
    session.execute("ALTER TABLE events ADD COLUMN extra int DEFAULT 1").await.unwrap();
    let parts = touched(&mut session, "events%").await;
    let new = touched(&mut session, "events_new").await;
    let mut sampled = vec![text(&mut session, counted).await];
    for these in [&parts, &new] {
        // Another column each time, of which nobody knows anything yet.
        session.execute(&format!("ALTER TABLE events ADD COLUMN c{} int DEFAULT 1", sampled.len())).await.unwrap();
        repair_statistics(&mut session, these, &saved).await.unwrap();
        session.execute("SELECT pg_stat_force_next_flush()").await.unwrap();
        sampled.push(text(&mut session, counted).await);
    }
    let times = |moment: usize| {
        let count = |line: &String| line.rsplit('|').next().unwrap().parse::<u32>().unwrap();
        let each = sampled[moment].iter().zip(&sampled[moment - 1]);
        each.map(|(now, before)| count(now) - count(before)).collect::<Vec<_>>()
    };
    assert_eq!(times(1), [1, 1, 1], "events, events_new, events_old: {sampled:?}");
    assert_eq!(times(2), [0, 1, 0], "{sampled:?}");
}

#[tokio::test]
async fn partitions_and_their_parent_keep_theirs() {
    let place = Place::new().await;
    let mut session = database(&place, "parts", "seatrial_superuser").await;
    let before = statistics(&mut session, "events%").await;
    assert_eq!(before.len(), 6);
    let repaired = settled(&mut session, "events%", "ALTER TABLE events ALTER kind TYPE bigint").await;
    assert_eq!(repaired.len(), 3);
    assert!(repaired.iter().all(|column| column.method == RepairMethod::Transplanted), "{repaired:?}");
    assert_eq!(statistics(&mut session, "events%").await, before);
}

#[tokio::test]
async fn without_a_superuser_a_weaker_way_is_taken_and_named() {
    let place = Place::new().await;
    let mut session = database(&place, "owned", ROLE).await;
    let of = |lines: Vec<String>| lines.into_iter().filter(|line| !line.contains("|customer_id|")).collect::<Vec<_>>();
    let before = of(statistics(&mut session, "orders").await);
    let saved = SavedStatistics::read(&mut session).await.unwrap();
    assert!(saved.unreadable().is_some());
    session.execute("ALTER TABLE orders ALTER customer_id TYPE bigint").await.unwrap();
    let touched = touched(&mut session, "orders").await;
    let repaired = repair_statistics(&mut session, &touched, &saved).await.unwrap();
    let why = RepairMethod::SampledInstead("this role may not read and write pg_statistic");
    assert_eq!(methods(&repaired), [("customer_id", &why)]);
    assert_eq!(of(statistics(&mut session, "orders").await), before, "only that column was sampled");
}

#[tokio::test]
async fn fresh_samples_leave_nothing_behind() {
    let place = Place::new().await;
    let mut session = database(&place, "samples", "seatrial_superuser").await;
    let everything =
        "SELECT starelid, staattnum, stainherit, s::text FROM pg_statistic s WHERE starelid >= 16384 ORDER BY 1, 2, 3";
    let before = (text(&mut session, everything).await, counts(&mut session).await);
    let mut other = place.session("samples", "seatrial_superuser").await.unwrap();
    let mut seen = Vec::new();
    // A query that reads no table of its own has nothing to be sampled.
    resample(&mut session, &BTreeSet::new(), 1, async || Ok::<(), ServerError>(())).await.unwrap();
    let touched = touched(&mut session, "orders").await;
    resample(&mut session, &touched, 3, async || {
        seen.push(statistics(&mut other, "orders").await);
        Ok::<(), ServerError>(())
    })
    .await
    .unwrap();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|sample| sample.len() == 6));
    assert!(seen[0] != seen[1] || seen[1] != seen[2], "60,000 rows are sampled, not read");
    assert_eq!((text(&mut session, everything).await, counts(&mut session).await), before);
}
