//! Needs a server. Every safer form is run beside the plain one on PostgreSQL itself: the schema afterwards is the same, as
//! pg_dump prints it, so are the rows, nothing is left invalid, and what was found about the plain form is gone.
#![allow(clippy::unwrap_used)]

mod support;

use seatrial::check::{self, Finding, Policy};
use seatrial::config::Thresholds;
use seatrial::engine::postgres::apply::{Target, apply};
use seatrial::engine::postgres::catalog;
use seatrial::engine::postgres::observe::Observer;
use seatrial::engine::postgres::server::SUPERUSER;
use seatrial::migration::script::split;
use seatrial::migration::{Connection, Migration, SourceFile, Statement, TransactionMode};
use seatrial::progress::Activity;
use seatrial::rehearsal::Rehearsal;
use seatrial::report::redact::Redactor;
use seatrial::snapshot::Snapshot;
use seatrial::suggest::{StepTransaction, Suggestion, suggestions};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use support::place::{Place, ROLE};

/// What the statements below are about. `big` takes several batches by its key, `wide` by its pages.
const SCHEMA: &str = r#"
CREATE SCHEMA "App";
CREATE TABLE customers (id bigint PRIMARY KEY, email text NOT NULL);
INSERT INTO customers SELECT g, 'c' || g FROM generate_series(1, 100) g;
CREATE TABLE orders (id bigint, customer_id bigint, code text, "Größe" text, total int, placed timestamptz, parent bigint);
INSERT INTO orders SELECT g, 1 + g % 100, 'code ' || g, 'x', g, timestamptz '2025-01-01 00:00+00' + g * interval '1 hour', g
FROM generate_series(1, 300) g;
CREATE INDEX orders_total_idx ON orders (total);
CREATE UNIQUE INDEX "Orders ""placed""" ON orders (placed, id);
CREATE TABLE "App"."Orders 'x'" (LIKE orders);
INSERT INTO "App"."Orders 'x'" SELECT * FROM orders;
CREATE TABLE aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa (
    bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb int, "ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄ" int);
INSERT INTO aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa SELECT g, g FROM generate_series(1, 50) g;
CREATE TABLE big (id int PRIMARY KEY, state text, note text);
INSERT INTO big SELECT g * 3, nullif('state ' || g % 3, 'state 1'), 'note ' || g FROM generate_series(1, 25000) g;
CREATE TABLE "Wide" (state text, filler text);
INSERT INTO "Wide" SELECT nullif('state ' || g % 3, 'state 1'), repeat('x', 1200) FROM generate_series(1, 9000) g;
CREATE MATERIALIZED VIEW totals AS SELECT customer_id, sum(total) AS total FROM orders GROUP BY customer_id;
CREATE UNIQUE INDEX totals_idx ON totals (customer_id);
CREATE SEQUENCE numbering;
CREATE TABLE base (id bigint, label text);
CREATE TABLE heir (more text) INHERITS (base);
INSERT INTO base SELECT g, 'x' FROM generate_series(1, 50) g;
INSERT INTO heir SELECT g, 'x', 'y' FROM generate_series(1, 50) g;
CREATE TABLE events (id bigint, at date NOT NULL, kind text, customer_id bigint) PARTITION BY RANGE (at);
CREATE INDEX events_kind_idx ON events (kind);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY LIST (kind);
CREATE TABLE "App"."events 2025 a" PARTITION OF events_2025 FOR VALUES IN ('a');
CREATE TABLE events_2025_b PARTITION OF events_2025 FOR VALUES IN ('b');
CREATE INDEX by_hand ON "App"."events 2025 a" (id);
INSERT INTO events SELECT g, date '2024-01-01' + g % 700, CASE g % 2 WHEN 0 THEN 'a' ELSE 'b' END, 1 + g % 100 FROM generate_series(1, 700) g;
CREATE TABLE events_2026 (id bigint, at date NOT NULL, kind text, customer_id bigint);
INSERT INTO events_2026 SELECT g, date '2026-01-01' + g % 300, 'a', 1 FROM generate_series(1, 100) g;
CREATE TABLE regions (id bigint, name varchar(20)) PARTITION BY LIST (name);
CREATE TABLE regions_north PARTITION OF regions FOR VALUES IN ('north');
INSERT INTO regions VALUES (1, 'north');
CREATE TABLE regions_south (id bigint, name varchar(20));
INSERT INTO regions_south SELECT g, CASE g % 2 WHEN 0 THEN 'so''uth' ELSE 'south' END FROM generate_series(1, 100) g;
CREATE TABLE numbers (n bigint) PARTITION BY RANGE (n);
CREATE TABLE numbers_low (n bigint);
INSERT INTO numbers_low SELECT -g FROM generate_series(1, 100) g;
CREATE TABLE moments (at timestamptz) PARTITION BY RANGE (at);
CREATE TABLE moments_2025 (at timestamptz);
INSERT INTO moments_2025 SELECT timestamptz '2025-01-01 00:00+00' + g * interval '1 hour' FROM generate_series(1, 100) g;
"#;

/// A statement, the major version it is for, and the forms that are suggested for it there.
struct Case {
    sql: &'static str,
    since: u32,
    forms: &'static [&'static str],
}

const fn case(sql: &'static str, forms: &'static [&'static str]) -> Case {
    Case { sql, since: 13, forms }
}

const fn since(since: u32, sql: &'static str, forms: &'static [&'static str]) -> Case {
    Case { sql, since, forms }
}

const INDEX: &[&str] = &["CREATE INDEX CONCURRENTLY"];
const PARTS: &[&str] = &["an index for each partition"];
const DROP: &[&str] = &["DROP INDEX CONCURRENTLY"];
const FOREIGN_KEY: &[&str] = &["ADD FOREIGN KEY … NOT VALID"];
const CHECK: &[&str] = &["ADD CHECK … NOT VALID"];
/// Told by what 15 calls it; 18 has a form of its own.
const NOT_NULL: &[&str] = &["SET NOT NULL after a valid CHECK"];
const UNIQUE: &[&str] = &["ADD UNIQUE … USING INDEX"];
const PRIMARY_KEY: &[&str] = &["ADD PRIMARY KEY … USING INDEX"];
const FILLED: &[&str] = &["ADD COLUMN, its default filled in by batches"];
const APART: &[&str] = &["ADD COLUMN, its constraints apart"];
const BATCHES: &[&str] = &["UPDATE in batches"];
const ATTACH: &[&str] = &["ATTACH PARTITION after a valid CHECK"];

#[rustfmt::skip]
const CASES: &[Case] = &[
    case("CREATE INDEX ON orders (lower(code) text_pattern_ops, total DESC NULLS LAST) INCLUDE (parent) WITH (fillfactor = 70) WHERE code <> 'a;b'", INDEX),
    since(15, "CREATE UNIQUE INDEX \"Größe;\" ON \"App\".\"Orders 'x'\" (id) NULLS NOT DISTINCT", INDEX),
    case("CREATE INDEX IF NOT EXISTS totals_total_idx ON totals (total)", &[]),
    case("CREATE INDEX ON aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa (bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb)", INDEX),
    case("CREATE INDEX ON events (id)", PARTS),
    case("CREATE INDEX events_lower ON events (lower(kind)) INCLUDE (id) WITH (fillfactor = 80) WHERE kind IN ('a', 'b')", PARTS),
    case("CREATE UNIQUE INDEX ON regions (name)", PARTS),
    case("DROP INDEX orders_total_idx", DROP),
    case("DROP INDEX IF EXISTS orders_total_idx, \"Orders \"\"placed\"\"\"", DROP),
    case("ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers ON UPDATE CASCADE ON DELETE SET NULL", FOREIGN_KEY),
    case("ALTER TABLE IF EXISTS \"App\".\"Orders 'x'\" ADD CONSTRAINT \"ein Schlüssel\" FOREIGN KEY (customer_id) REFERENCES customers (id) MATCH FULL DEFERRABLE INITIALLY DEFERRED", FOREIGN_KEY),
    since(18, "ALTER TABLE events ADD FOREIGN KEY (customer_id) REFERENCES customers", FOREIGN_KEY),
    case("ALTER TABLE orders ADD CHECK (total > 0 AND code <> '')", CHECK),
    case("ALTER TABLE \"App\".\"Orders 'x'\" ADD CONSTRAINT \"c'\" CHECK (\"Größe\" IN ('x', 'y') /* z */) NO INHERIT", CHECK),
    case("ALTER TABLE base ADD CHECK (id > 0)", CHECK),
    case("ALTER TABLE events ADD CONSTRAINT known CHECK (kind IN ('a', 'b'))", CHECK),
    case("ALTER TABLE orders ALTER code SET NOT NULL", NOT_NULL),
    case("ALTER TABLE \"App\".\"Orders 'x'\" ALTER COLUMN \"Größe\" SET NOT NULL, ALTER id SET NOT NULL", NOT_NULL),
    case("ALTER TABLE base ALTER label SET NOT NULL", NOT_NULL),
    case("ALTER TABLE events ALTER id SET NOT NULL", NOT_NULL),
    case("ALTER TABLE aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ALTER bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb SET NOT NULL", NOT_NULL),
    since(15, "ALTER TABLE orders ADD UNIQUE NULLS NOT DISTINCT (code, id) INCLUDE (total) WITH (fillfactor = 70)", UNIQUE),
    case("ALTER TABLE \"App\".\"Orders 'x'\" ADD CONSTRAINT \"ü\" UNIQUE (\"Größe\", id) DEFERRABLE INITIALLY DEFERRED", UNIQUE),
    case("ALTER TABLE orders ADD PRIMARY KEY (id)", PRIMARY_KEY),
    case("ALTER TABLE \"App\".\"Orders 'x'\" ADD CONSTRAINT pk PRIMARY KEY (\"Größe\", id) INCLUDE (total)", PRIMARY_KEY),
    case("ALTER TABLE aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ADD PRIMARY KEY (\"ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄ\", bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb)", PRIMARY_KEY),
    case("ALTER TABLE big ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid()", FILLED),
    since(14, "ALTER TABLE \"Wide\" ADD seen timestamptz DEFAULT clock_timestamp()", FILLED),
    case("ALTER TABLE big ADD token uuid DEFAULT gen_random_uuid() CONSTRAINT t UNIQUE NOT NULL CHECK (token IS DISTINCT FROM NULL)", FILLED),
    case("ALTER TABLE big ADD COLUMN number bigint DEFAULT nextval('numbering') NOT NULL", FILLED),
    case("ALTER TABLE big ADD COLUMN number bigserial", &["SET lock_timeout"]),
    case("ALTER TABLE orders ADD COLUMN owner bigint DEFAULT 1 REFERENCES customers (id) ON DELETE CASCADE", APART),
    case("ALTER TABLE orders ADD COLUMN owner bigint NOT NULL DEFAULT 1 CONSTRAINT o CHECK (owner > 0), ADD note varchar(20) COLLATE \"C\" DEFAULT 'a'", APART),
    case("ALTER TABLE orders ADD COLUMN owner bigint UNIQUE", APART),
    case("REINDEX TABLE orders", &["REINDEX CONCURRENTLY"]),
    case("REINDEX (VERBOSE) INDEX \"Orders \"\"placed\"\"\"", &["REINDEX CONCURRENTLY"]),
    case("REFRESH MATERIALIZED VIEW totals", &["REFRESH MATERIALIZED VIEW CONCURRENTLY"]),
    case("UPDATE big AS b SET state = 'new' WHERE b.state IS NULL", BATCHES),
    case("UPDATE big SET state = lower(note), note = upper(note) WHERE state IS NULL AND note IS NOT NULL AND id > 9", &[]),
    case("UPDATE big SET state = note WHERE state IS NULL", BATCHES),
    case("UPDATE big SET state = 'new' WHERE state = 'state 0'", BATCHES),
    since(14, "UPDATE \"Wide\" SET state = 'new' WHERE state IS NULL", BATCHES),
    since(14, "ALTER TABLE events DETACH PARTITION events_2024", &["DETACH PARTITION CONCURRENTLY"]),
    since(14, "ALTER TABLE regions DETACH PARTITION regions_north", &["DETACH PARTITION CONCURRENTLY"]),
    case("ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')", ATTACH),
    case("ALTER TABLE regions ATTACH PARTITION regions_south FOR VALUES IN ('south', 'so''uth')", ATTACH),
    case("ALTER TABLE numbers ATTACH PARTITION numbers_low FOR VALUES FROM (MINVALUE) TO (-0)", ATTACH),
    case("ALTER TABLE moments ATTACH PARTITION moments_2025 FOR VALUES FROM ('2025-01-01 00:00+02') TO ('2026-01-01')", ATTACH),
    case("ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers, ADD CONSTRAINT c CHECK (total > 0), ALTER code SET NOT NULL, ADD UNIQUE (id), ADD COLUMN note text DEFAULT '-', ALTER placed SET DEFAULT now()",
        &["ADD FOREIGN KEY … NOT VALID", "ADD CHECK … NOT VALID", "SET NOT NULL after a valid CHECK", "ADD UNIQUE … USING INDEX"]),
    case("ALTER TABLE orders ADD COLUMN note text", &["SET lock_timeout"]),
];

fn statement(index: usize, sql: &str) -> Statement {
    let file = SourceFile { path: "case.sql".into(), name: "case.sql".to_owned(), text: sql.to_owned() };
    Statement { index, file: Arc::new(file), span: 0..sql.len(), rendered: None }
}

fn migration(version: usize, transaction: TransactionMode, statements: Vec<Statement>) -> Migration {
    Migration {
        version: version.to_string(),
        name: String::new(),
        layout: "plain",
        transaction,
        connection: Connection::default(),
        session: Vec::new(),
        statements,
        down: None,
        history: None,
    }
}

/// The steps as a runner would run them that puts each group in a transaction, or in none.
fn safer(suggestion: &Suggestion, mode: TransactionMode) -> Vec<Migration> {
    let mut migrations = vec![migration(1, mode, Vec::new())];
    for (at, step) in suggestion.steps.iter().enumerate() {
        let last = migrations.last().unwrap();
        let outside = last.statements.iter().any(|_| last.transaction == TransactionMode::None);
        let fresh = match step.transaction {
            StepTransaction::Outside => Some(TransactionMode::None),
            StepTransaction::Own => Some(mode),
            StepTransaction::Together => (outside && mode != TransactionMode::None).then_some(mode),
        };
        if let Some(transaction) = fresh {
            migrations.push(migration(at + 2, transaction, Vec::new()));
        }
        migrations.last_mut().unwrap().statements.push(statement(at + 1, &step.sql));
    }
    migrations.retain(|migration| !migration.statements.is_empty());
    migrations
}

async fn snapshot(place: &Place, database: &str) -> Snapshot {
    let mut session = place.session(database, SUPERUSER).await.unwrap();
    let catalog = catalog::read(&mut session).await.unwrap();
    let sizes = catalog::read_sizes(&mut session).await.unwrap();
    session.close().await;
    Snapshot { catalog: catalog.into(), sizes, plans: Vec::new() }
}

/// Everything small counts here.
fn thresholds() -> Thresholds {
    Thresholds { rows: 1, update_rows: 1, held_ms: f64::INFINITY, ..Thresholds::default() }
}

/// Migrations measured on a database of their own, a copy of that of `before`, and what is found about their locks.
async fn measure(
    place: &Place,
    before: &Snapshot,
    database: &str,
    migrations: Vec<Migration>,
) -> Result<(Rehearsal, Vec<Finding>), String> {
    let create = format!("CREATE DATABASE {database} TEMPLATE shop OWNER {ROLE}{}", place.by_files());
    place.execute("postgres", SUPERUSER, &create).await.unwrap();
    let mut rehearsal = Rehearsal::new(Redactor { show_values: false }, Vec::new());
    let target = Target {
        endpoint: place.endpoint().clone(),
        database: database.to_owned(),
        role: ROLE.to_owned(),
        extensions: Vec::new(),
        search_path: None,
    };
    let (catalog, sizes) = (&before.catalog, &before.sizes);
    let mut observations = Vec::new();
    let mut observer =
        Observer::new(&target.endpoint, database, catalog, sizes, Activity::default(), &mut observations)
            .await
            .unwrap();
    let applied = apply(&target, &migrations, None, &mut observer).await.unwrap();
    observer.finish().await.unwrap();
    if let Some(failure) = applied.failure {
        return Err(format!("statement {}: {}", failure.statement, failure.error));
    }
    rehearsal.right_after = Some(snapshot(place, database).await);
    rehearsal.before = Some(before.clone());
    (rehearsal.observations, rehearsal.committed, rehearsal.migrations) = (observations, applied.committed, migrations);
    let (thresholds, severity) = (thresholds(), BTreeMap::new());
    let policy = Policy { thresholds: &thresholds, severity: &severity, require: &[] };
    let mut findings = check::run(&rehearsal, &policy);
    findings.retain(|finding| finding.kind.id.starts_with("lock/"));
    Ok((rehearsal, findings))
}

/// Schema and state of a database: what pg_dump prints, what is not valid, and the rows whose values do not hang on chance.
async fn state(place: &Place, database: &str) -> (String, Vec<String>) {
    let dump = place.dump(database).await.unwrap();
    // A key of the dump's own, drawn by lot.
    let dump: Vec<&str> = dump.lines().filter(|line| !line.contains("restrict ")).collect();
    let dump = dump.join("\n");
    let mut session = place.session(database, SUPERUSER).await.unwrap();
    let rows = session
        .query(
            "SELECT 'index ' || indexrelid::regclass FROM pg_index WHERE NOT indisvalid OR NOT indisready
             UNION ALL SELECT 'constraint ' || conname FROM pg_constraint WHERE NOT convalidated
             UNION ALL SELECT 'big ' || md5(string_agg(concat_ws(',', id, state, note), ';' ORDER BY id)) FROM big
             UNION ALL SELECT 'wide ' || md5(string_agg(state, ';' ORDER BY state)) || count(*) || count(state) FROM \"Wide\"
             UNION ALL SELECT 'events ' || count(*) || '/' || sum(id) FROM events",
        )
        .await
        .unwrap();
    let mut facts: Vec<String> = rows.rows.iter().map(|row| row[0].clone().unwrap_or_default()).collect();
    facts.sort();
    let unfilled = "SELECT 1 / count(seen) FROM \"Wide\" HAVING count(*) > count(seen)";
    if dump.contains("seen timestamp") {
        assert!(session.query(unfilled).await.unwrap().rows.is_empty(), "rows without their value");
    }
    session.close().await;
    (dump, facts)
}

/// What is wrong with a case, and the steps for people.
async fn run(
    place: &Place,
    before: &Snapshot,
    at: usize,
    case: &Case,
    mode: TransactionMode,
) -> Result<String, String> {
    let statements = split(case.sql).unwrap().into_iter().enumerate();
    let statements = statements.map(|(at, span)| statement(at + 1, &case.sql[span])).collect();
    let (plain, other) = (format!("plain_{at}"), format!("safer_{at}"));
    let (rehearsal, findings) = measure(place, before, &plain, vec![migration(1, mode, statements)]).await?;
    let found: BTreeSet<&str> = findings.iter().map(|finding| finding.kind.id).collect();
    let suggested = suggestions(&rehearsal, &findings);
    let forms: Vec<&str> = suggested.iter().flat_map(|suggestion| suggestion.forms.iter().copied()).collect();
    let told = |form: &str| form.replace("NOT NULL … NOT VALID", "SET NOT NULL after a valid CHECK");
    if forms.iter().map(|form| told(form)).collect::<Vec<_>>() != case.forms {
        return Err(format!("found {found:?}, suggested {forms:?}"));
    }
    let [suggestion] = suggested.as_slice() else { return Ok("    (nothing)".to_owned()) };
    let steps: Vec<String> =
        suggestion.steps.iter().map(|step| format!("    {:?}: {}", step.transaction, step.sql)).collect();
    let steps = steps.join("\n");
    let (_, left) = match measure(place, before, &other, safer(suggestion, mode)).await {
        Ok(measured) => measured,
        Err(error) => return Err(format!("{error}\n{steps}")),
    };
    let still: Vec<String> = left
        .iter()
        .filter(|finding| suggestion.answers.iter().any(|id| id == finding.kind.id))
        .map(|finding| format!("{}: {}", finding.kind.id, finding.message))
        .collect();
    let (was, is) = tokio::join!(state(place, &plain), state(place, &other));
    for database in [&plain, &other] {
        place.execute("postgres", SUPERUSER, &format!("DROP DATABASE {database} WITH (FORCE)")).await.unwrap();
    }
    if !still.is_empty() {
        return Err(format!("still found: {still:?}\n{steps}"));
    }
    if was != is {
        let only = |one: &str, two: &str| -> Vec<String> {
            let known: BTreeSet<&str> = two.lines().collect();
            one.lines().filter(|line| !known.contains(line)).map(str::to_owned).collect()
        };
        let (gone, come) = (only(&was.0, &is.0), only(&is.0, &was.0));
        return Err(format!("plain {gone:#?} {:?}\nsafer {come:#?} {:?}\n{steps}", was.1, is.1));
    }
    Ok(steps)
}

#[tokio::test]
async fn every_form_reaches_the_schema_of_the_plain_one_without_what_was_found() {
    let place = Place::new().await;
    place.execute("postgres", SUPERUSER, &format!("CREATE DATABASE shop OWNER {ROLE}")).await.unwrap();
    place
        .execute(
            "shop",
            SUPERUSER,
            &format!("ALTER SCHEMA public OWNER TO {ROLE}; GRANT CREATE ON DATABASE shop TO {ROLE}"),
        )
        .await
        .unwrap();
    place.execute("shop", ROLE, SCHEMA).await.unwrap();
    place.execute("shop", ROLE, "VACUUM ANALYZE").await.unwrap();
    let before = snapshot(&place, "shop").await;
    let wanted = std::env::var("SEATRIAL_TEST_FIXTURE").unwrap_or_default();
    let told = std::env::var_os("SEATRIAL_TEST_SHOW").is_some();
    let mut wrong = Vec::new();
    let cases = CASES.iter().filter(|case| case.since <= place.major() && case.sql.contains(&wanted));
    for (at, case) in cases.enumerate() {
        for (step, mode) in [TransactionMode::PerMigration, TransactionMode::None].into_iter().enumerate() {
            match run(&place, &before, 2 * at + step, case, mode).await {
                Ok(steps) if told => wrong.push(format!("{mode:?} {}\n{steps}", case.sql)),
                Ok(_) => {}
                Err(error) => wrong.push(format!("WRONG {mode:?} {}\n  {error}", case.sql)),
            }
        }
    }
    assert!(wrong.is_empty(), "on PostgreSQL {}:\n{}", place.major(), wrong.join("\n"));
}
