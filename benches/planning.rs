//! What planning hot queries costs, next to psql sending the same EXPLAINs in one session.
//!
//! `cargo bench --bench planning`: 100 queries before a migration, after each of its ten statements within the
//! transaction, and after it. Both sides in turn, several rounds; prints both medians and exits with 1 when the program
//! takes more than 1.3 times as long. Needs a server and psql (`SEATRIAL_BENCH_PSQL`, or the one on the path).
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod psql;
#[path = "../tests/support/mod.rs"]
mod support;

use seatrial::engine::postgres::explain::{CaptureOptions, plan_only};
use seatrial::engine::postgres::server::SUPERUSER;
use seatrial::snapshot::plan::Captured;
use seatrial::workload::{HotQuery, ParameterSet};
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::place::Place;

const ROUNDS: usize = 15;
const LIMIT: f64 = 1.3;
const EXPLAIN: &str = "EXPLAIN (FORMAT JSON, VERBOSE, SETTINGS)";

const SCHEMA: &str = "
    CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL, country text NOT NULL);
    INSERT INTO customers SELECT g, 'c' || g || '@example.org', 'country ' || g % 9 FROM generate_series(1, 5000) g;
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, created date NOT NULL, status text NOT NULL, total int NOT NULL);
    INSERT INTO orders SELECT g, 1 + g * 7919::bigint % 5000, date '2024-01-01' + g % 700, 'status ' || g % 4, g % 1000
        FROM generate_series(1, 30000) g;
    CREATE TABLE items (id int PRIMARY KEY, order_id int NOT NULL, product_id int NOT NULL, qty int NOT NULL);
    INSERT INTO items SELECT g, 1 + g % 30000, 1 + g % 300, 1 + g % 5 FROM generate_series(1, 60000) g;
    CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, price int NOT NULL);
    INSERT INTO products SELECT g, 'product ' || g, g % 90 FROM generate_series(1, 300) g;
    CREATE INDEX orders_customer_id_idx ON orders (customer_id);
    CREATE INDEX orders_created_idx ON orders (created);
    CREATE INDEX items_order_id_idx ON items (order_id);
    CREATE INDEX items_product_id_idx ON items (product_id);";

const MIGRATION: [&str; 10] = [
    "ALTER TABLE orders ADD COLUMN memo text",
    "CREATE INDEX orders_status_idx ON orders (status)",
    "ALTER TABLE items ADD COLUMN discount int NOT NULL DEFAULT 0",
    "DROP INDEX orders_created_idx",
    "ALTER TABLE customers ADD CONSTRAINT country_known CHECK (country <> '') NOT VALID",
    "ALTER TABLE customers VALIDATE CONSTRAINT country_known",
    "CREATE TABLE notes (id int PRIMARY KEY, order_id int NOT NULL)",
    "ALTER TABLE products RENAME CONSTRAINT products_pkey TO products_key",
    "CREATE INDEX customers_country_idx ON customers (country)",
    "ALTER TABLE orders ALTER COLUMN total SET DEFAULT 0",
];

/// A hundred queries: eight shapes of one to four tables with other values each, the last two with a parameter.
fn queries() -> Vec<HotQuery> {
    let shapes: [fn(usize) -> String; 8] = [
        |n| format!("SELECT id, total FROM orders WHERE customer_id = {n}"),
        |n| format!("SELECT count(*) FROM orders WHERE created = date '2024-01-01' + {n} AND status = 'status 1'"),
        |n| format!("SELECT c.email, o.total FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.id = {n}"),
        |n| {
            format!(
                "SELECT c.country, sum(i.qty * p.price) FROM customers c JOIN orders o ON o.customer_id = c.id \
                 JOIN items i ON i.order_id = o.id JOIN products p ON p.id = i.product_id WHERE p.id = {n} GROUP BY c.country"
            )
        },
        |n| {
            format!(
                "SELECT id FROM orders o WHERE id < {n} AND NOT EXISTS (SELECT FROM items i WHERE i.order_id = o.id)"
            )
        },
        |n| {
            format!(
                "SELECT o.id, i.qty FROM orders o JOIN items i ON i.order_id = o.id WHERE o.id = {n} ORDER BY i.id LIMIT 5"
            )
        },
        |n| format!("SELECT id, status FROM orders WHERE customer_id = $1 AND total > {n}"),
        |n| {
            format!(
                "SELECT i.qty, p.name FROM items i JOIN products p ON p.id = i.product_id WHERE i.order_id = $1 AND p.price > {n}"
            )
        },
    ];
    let query = |number: usize| {
        let shape = number % shapes.len();
        let (sql, parameter) = (shapes[shape](1 + number), shape >= 6);
        let set = ParameterSet { name: "one".to_owned(), values: vec![(17 + number).to_string()], drawn: false };
        HotQuery {
            parameters: if parameter { vec!["1".to_owned()] } else { Vec::new() },
            sets: if parameter { vec![set] } else { Vec::new() },
            ..HotQuery::bare(&format!("query_{number}"), &sql)
        }
    };
    (0..100).map(query).collect()
}

/// What somebody would send by hand: the query itself, or prepared once and planned for its value and for all.
fn script(queries: &[HotQuery]) -> String {
    let mut plans = String::new();
    for query in queries {
        match query.sets.first() {
            None => writeln!(plans, "{EXPLAIN} {};", query.sql).unwrap(),
            Some(set) => writeln!(
                plans,
                "PREPARE q AS {};\nSET plan_cache_mode = force_custom_plan;\n{EXPLAIN} EXECUTE q({values});\n\
                 SET plan_cache_mode = force_generic_plan;\n{EXPLAIN} EXECUTE q({values});\nDEALLOCATE q;",
                query.sql,
                values = set.values.join(", ")
            )
            .unwrap(),
        }
    }
    let steps: String = MIGRATION.iter().map(|statement| format!("{statement};\n{plans}")).collect();
    format!("{plans}BEGIN;\n{steps}ROLLBACK;\n{plans}")
}

async fn by_program(place: &Place, queries: &[HotQuery]) -> Duration {
    let started = Instant::now();
    let mut session = place.session("shop", SUPERUSER).await.unwrap();
    let inside = CaptureOptions::planning_inside_transaction();
    let mut captures = plan_only(&mut session, queries, &CaptureOptions::default()).await;
    session.execute("BEGIN").await.unwrap();
    for statement in MIGRATION {
        session.execute(statement).await.unwrap();
        captures.extend(plan_only(&mut session, queries, &inside).await);
    }
    session.execute("ROLLBACK").await.unwrap();
    captures.extend(plan_only(&mut session, queries, &CaptureOptions::default()).await);
    session.close().await;
    let took = started.elapsed();
    let failed = captures.iter().find(|capture| !matches!(capture.captured, Captured::Planned(_)));
    assert!(failed.is_none(), "{failed:?}");
    took
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let place = Place::new().await;
    place.execute("postgres", SUPERUSER, "CREATE DATABASE shop").await.unwrap();
    place.execute("shop", SUPERUSER, SCHEMA).await.unwrap();
    place.execute("shop", SUPERUSER, "VACUUM (ANALYZE)").await.unwrap();
    let queries = queries();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plans.sql");
    std::fs::write(&file, script(&queries)).unwrap();
    let (mut own, mut psql) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        own.push(by_program(&place, &queries).await);
        psql.push(psql::takes(&place, SUPERUSER, "shop", &file));
    }
    let (own, psql) = (psql::median(own), psql::median(psql));
    let ratio = own / psql;
    println!("{} queries, {} times: seatrial {own:.0} ms, psql {psql:.0} ms", queries.len(), MIGRATION.len() + 2);
    println!("ratio {ratio:.2}, at most {LIMIT}");
    if ratio <= LIMIT { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
