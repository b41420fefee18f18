//! What watching costs: a script of small statements under observation, next to psql running the same file.
//!
//! `cargo bench --bench observe`: 200 statements that make, change, index and fill small tables, a transaction each. Both
//! sides in turn on databases of their own, several rounds; prints both medians and exits with 1 when the program takes
//! more than 1.5 times as long. Needs a server and psql (`SEATRIAL_BENCH_PSQL`, or the one on the path).
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod psql;
#[path = "../tests/support/mod.rs"]
mod support;

use seatrial::engine::postgres::apply::{Target, apply};
use seatrial::engine::postgres::catalog;
use seatrial::engine::postgres::observe::Observer;
use seatrial::engine::postgres::server::SUPERUSER;
use seatrial::migration::script::split;
use seatrial::migration::{Connection, Migration, SourceFile, Statement, TransactionMode};
use seatrial::progress::Activity;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::place::{Place, ROLE};

const ROUNDS: usize = 15;
const LIMIT: f64 = 1.5;

const SCHEMA: &str = "
    CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL, country text);
    INSERT INTO customers SELECT g, 'c' || g, 'country ' || g % 9 FROM generate_series(1, 500) g;
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, status text, total int);
    INSERT INTO orders SELECT g, 1 + g % 500, 'status ' || g % 4, g FROM generate_series(1, 1000) g;";

/// Twenty-five times what a migration of eight small statements does.
fn script() -> String {
    let mut sql = String::new();
    for n in 1..=25 {
        writeln!(
            sql,
            "CREATE TABLE t{n} (id int PRIMARY KEY, customer_id int, body text, made timestamptz DEFAULT now());\n\
             INSERT INTO t{n} (id, customer_id, body) SELECT g, g, 'body' FROM generate_series(1, 50) g;\n\
             CREATE INDEX t{n}_customer_id_idx ON t{n} (customer_id);\n\
             ALTER TABLE t{n} ADD COLUMN memo text NOT NULL DEFAULT 'none';\n\
             ALTER TABLE t{n} ADD CONSTRAINT t{n}_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers;\n\
             ALTER TABLE orders ADD COLUMN c{n} int;\n\
             UPDATE t{n} SET body = 'other' WHERE id < 10;\n\
             CREATE INDEX orders_c{n}_idx ON orders (c{n});"
        )
        .unwrap();
    }
    sql
}

fn migration(sql: &str) -> Migration {
    let file = Arc::new(SourceFile { path: "bench.sql".into(), name: "bench.sql".to_owned(), text: sql.to_owned() });
    let spans = split(sql).unwrap().into_iter().enumerate();
    Migration {
        version: "1".to_owned(),
        name: String::new(),
        layout: "plain",
        transaction: TransactionMode::None,
        connection: Connection::default(),
        session: Vec::new(),
        statements: spans
            .map(|(at, span)| Statement { index: at + 1, file: Arc::clone(&file), span, rendered: None })
            .collect(),
        down: None,
        history: None,
    }
}

async fn by_program(place: &Place, migration: &Migration) -> Duration {
    let mut superuser = place.session("watched", SUPERUSER).await.unwrap();
    let (catalog, sizes) =
        (catalog::read(&mut superuser).await.unwrap(), catalog::read_sizes(&mut superuser).await.unwrap());
    superuser.close().await;
    let target = Target {
        endpoint: place.endpoint().clone(),
        database: "watched".to_owned(),
        role: ROLE.to_owned(),
        search_path: None,
        extensions: Vec::new(),
    };
    let mut observations = Vec::new();
    let started = Instant::now();
    let mut observer =
        Observer::new(&target.endpoint, "watched", &catalog, &sizes, Activity::default(), &mut observations)
            .await
            .unwrap();
    let applied = apply(&target, std::slice::from_ref(migration), None, &mut observer).await.unwrap();
    observer.finish().await.unwrap();
    let took = started.elapsed();
    assert!(applied.failure.is_none(), "{:?}", applied.failure);
    assert_eq!(observations.len(), migration.statements.len());
    took
}

#[tokio::main]
async fn main() -> ExitCode {
    let place = Place::new().await;
    place.execute("postgres", SUPERUSER, &format!("CREATE DATABASE shop OWNER {ROLE}")).await.unwrap();
    for span in split(SCHEMA).unwrap() {
        place.execute("shop", ROLE, &SCHEMA[span]).await.unwrap();
    }
    let (sql, folder) = (script(), tempfile::tempdir().unwrap());
    let (file, migration) = (folder.path().join("bench.sql"), migration(&sql));
    std::fs::write(&file, &sql).unwrap();
    let (mut program, mut psql) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for database in ["watched", "alone"] {
            place
                .execute("postgres", SUPERUSER, &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"))
                .await
                .unwrap();
            let create = format!("CREATE DATABASE {database} TEMPLATE shop OWNER {ROLE}");
            place.execute("postgres", SUPERUSER, &create).await.unwrap();
        }
        program.push(by_program(&place, &migration).await);
        psql.push(psql::takes(&place, ROLE, "alone", &file));
    }
    let (program, psql) = (psql::median(program), psql::median(psql));
    let ratio = program / psql;
    println!(
        "{} statements: {program:.0} ms observed, {psql:.0} ms by psql: {ratio:.2} times",
        migration.statements.len()
    );
    if ratio > LIMIT { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
