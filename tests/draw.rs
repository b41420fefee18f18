//! Parameter sets drawn from the statistics of a real server.

mod support;

use seatrial::engine::postgres::draw::draw;
use seatrial::engine::postgres::explain::CaptureOptions;
use seatrial::engine::postgres::server::SUPERUSER;
use seatrial::engine::postgres::session::Session;
use seatrial::workload::HotQuery;
use seatrial::workload::draw::Undrawn;
use support::place::Place;

/// Two sessions with a database of the test's own.
struct Drawing {
    superuser: Session,
    session: Session,
    _server: Place,
}

impl Drawing {
    async fn new(database: &str, schema: &str) -> Self {
        let server = Place::new().await;
        let create = format!("CREATE DATABASE {database}");
        server.execute("postgres", SUPERUSER, &create).await.expect("a database");
        let mut session = server.session(database, SUPERUSER).await.expect("a session");
        session.execute(schema).await.expect("a schema");
        session.execute("VACUUM (ANALYZE)").await.expect("statistics");
        let superuser = server.session(database, SUPERUSER).await.expect("a session");
        Self { superuser, session, _server: server }
    }

    async fn draw(&mut self, query: &mut HotQuery) -> Vec<Undrawn> {
        draw(&mut self.superuser, &mut self.session, [query], &CaptureOptions::default()).await.expect("an answer")
    }

    /// Names and values of the sets that are drawn for a query.
    async fn sets(&mut self, sql: &str, parameters: &[&str]) -> Vec<(String, Vec<String>)> {
        let mut query = query(sql, parameters);
        assert_eq!(self.draw(&mut query).await, [], "{sql}");
        assert!(query.sets.iter().all(|set| set.drawn));
        assert!((1..=8).contains(&query.sets.len()), "{sql}: {:?}", query.sets);
        query.sets.into_iter().map(|set| (set.name, set.values)).collect()
    }

    async fn names(&mut self, sql: &str, parameters: &[&str]) -> Vec<String> {
        self.sets(sql, parameters).await.into_iter().map(|(name, _)| name).collect()
    }

    async fn reason(&mut self, sql: &str, parameters: &[&str]) -> String {
        let mut query = query(sql, parameters);
        let undrawn = self.draw(&mut query).await;
        assert_eq!(query.sets, []);
        undrawn.into_iter().map(|one| one.reason).collect()
    }
}

fn query(sql: &str, parameters: &[&str]) -> HotQuery {
    HotQuery { parameters: parameters.iter().map(|name| (*name).to_owned()).collect(), ..HotQuery::bare("q", sql) }
}

const ORDERS: &str = "
    CREATE TABLE customers (id int PRIMARY KEY, email varchar(80) NOT NULL);
    INSERT INTO customers SELECT g, 'Customer' || g || '@example.com' FROM generate_series(0, 20000) g;
    CREATE INDEX ON customers (lower(email));
    CREATE TABLE orders (id bigint PRIMARY KEY, customer_id int NOT NULL, placed timestamptz NOT NULL, note text, even bool NOT NULL);
    INSERT INTO orders SELECT g, CASE WHEN g % 2 = 0 THEN 0 ELSE g END, '2024-01-01'::timestamptz + g * interval '1 minute',
      CASE WHEN g % 3 = 0 THEN 'it''s \\ \"x\"' END, g % 2 = 0 FROM generate_series(1, 20000) g;
    CREATE INDEX ON orders (customer_id);
    CREATE INDEX ON orders (placed);
    CREATE VIEW large AS SELECT id, customer_id AS buyer FROM orders WHERE NOT even OR even;
    CREATE TABLE nothing (id int NOT NULL);
    CREATE TABLE events (id bigint NOT NULL, kind text NOT NULL, day int NOT NULL) PARTITION BY RANGE (day);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (500);
    CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (500) TO (1000);
    INSERT INTO events SELECT g, CASE WHEN g % 1000 = 0 THEN 'r' || g ELSE 'usual' END, g % 1000 FROM generate_series(1, 20000) g;
    CREATE INDEX ON events (kind);";

#[tokio::test]
async fn a_skewed_column_is_drawn_common_and_rare_and_what_plans_the_same_is_left_out() {
    let mut place = Drawing::new("skewed", ORDERS).await;
    let sql = "SELECT * FROM orders WHERE customer_id = $1";
    let sets = place.sets(sql, &["customer_id"]).await;
    let names: Vec<&str> = sets.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["most common #1, 50 %", "rare"]);
    assert_eq!(sets[0].1, ["'0'"]);
    assert_ne!(sets[1].1, ["'0'"]);
    assert_eq!(place.sets(sql, &["customer_id"]).await, sets, "two draws on one copy are the same");
    let unique = place.names("SELECT * FROM orders WHERE id = $1", &["id"]).await;
    assert_eq!(unique, ["ordinary"], "an absent id plans like any other");
}

#[tokio::test]
async fn values_with_quotes_and_backslashes_and_nulls_arrive_whole() {
    let mut place = Drawing::new("quotes", ORDERS).await;
    let sets = place.sets("SELECT * FROM orders WHERE note = $1", &["note"]).await;
    assert_eq!(sets[0], ("most common #1, 33 %".to_owned(), vec!["E'it''s \\\\ \"x\"'".to_owned()]));
    assert!(sets.iter().any(|(name, values)| name == "absent" && values == &["'no such value'"]), "{sets:?}");
    assert!(sets.iter().any(|(name, values)| name == "NULL" && values == &["NULL"]), "{sets:?}");
}

#[tokio::test]
async fn arrays_ranges_and_row_counts_are_small_and_large() {
    let mut place = Drawing::new("ranges", ORDERS).await;
    let arrays = place.names("SELECT * FROM orders WHERE id = ANY ($1)", &["ids"]).await;
    assert!(arrays.contains(&"array of 10".to_owned()) && arrays.contains(&"array of 101".to_owned()), "{arrays:?}");
    let ranges = place.names("SELECT * FROM orders WHERE placed >= $1 AND placed < $2", &["from", "to"]).await;
    assert_eq!(ranges[..2], ["wide range", "narrow range"]);
    let turned = place.sets("SELECT * FROM orders WHERE $1 > placed AND placed > $2", &["to", "from"]).await;
    assert_eq!(turned[0].0, "wide range");
    assert!(turned[0].1[0] > turned[0].1[1], "the upper bound is the first parameter: {turned:?}");
    let counts = place.names("SELECT * FROM orders ORDER BY id LIMIT $1", &["1"]).await;
    assert_eq!(counts, ["limit 10", "limit 1", "limit 1000"]);
}

#[tokio::test]
async fn joins_views_partitions_and_functions_lead_to_the_column() {
    let mut place = Drawing::new("led", ORDERS).await;
    let join = "SELECT * FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.id = $1";
    assert_eq!(place.names(join, &["id"]).await[0], "most common #1, 50 %", "the skew of the other side");
    let view = place.names("SELECT * FROM large WHERE buyer = $1", &["1"]).await;
    assert_eq!(view, ["most common #1, 50 %", "rare"]);
    let events = place.names("SELECT * FROM events WHERE kind = $1 AND day = $2", &["kind", "day"]).await;
    assert!(events[0].starts_with("kind most common #1, over 99 %; day "), "{events:?}");
    let lower = place.sets("SELECT * FROM customers WHERE lower(email) = $1", &["email"]).await;
    assert!(lower[0].1[0].starts_with("'customer"), "as the function makes it: {lower:?}");
    let prefix = place.names("SELECT * FROM customers WHERE email LIKE $1", &["1"]).await;
    assert!(prefix[0].starts_with("begins like "), "{prefix:?}");
}

#[tokio::test]
async fn what_a_write_stores_is_typical_of_its_column() {
    let mut place = Drawing::new("stored", ORDERS).await;
    let update = place.sets("UPDATE orders SET note = $1 WHERE customer_id = $2", &["note", "customer_id"]).await;
    assert_eq!(update[0].0, "note typical; customer_id most common #1, 50 %");
    assert_eq!(update[0].1, ["E'it''s \\\\ \"x\"'", "'0'"]);
    let insert = "INSERT INTO orders (id, customer_id, placed, even) VALUES ($1, $2, now(), $3)";
    let insert = place.sets(insert, &["id", "customer_id", "even"]).await;
    assert_eq!(insert.len(), 1, "what is stored changes no plan");
    assert_eq!(insert[0].1[..2], ["'20001'", "'0'"], "a key that nobody has, a customer that many have");
    let event = place.names("INSERT INTO events (id, kind, day) VALUES ($1, $2, $3)", &["1", "2", "3"]).await;
    assert_eq!(event, ["$1 typical; $2 typical; $3 typical"]);
}

#[tokio::test]
async fn odd_names_are_found() {
    let name = "é".repeat(31);
    let schema = format!(
        "CREATE SCHEMA \"Od\"\"d\"; CREATE TABLE \"Od\"\"d\".\"{name}\" (\"sel.ect'\" text);
         INSERT INTO \"Od\"\"d\".\"{name}\" SELECT CASE WHEN g < 900 THEN 'a' ELSE 'b' || g END FROM generate_series(1, 1000) g;"
    );
    let mut place = Drawing::new("odd", &schema).await;
    let sql = format!("SELECT * FROM \"Od\"\"d\".\"{name}\" WHERE \"sel.ect'\" = $1");
    let sets = place.sets(&sql, &["1"]).await;
    assert_eq!(sets[0], ("most common #1, 90 %".to_owned(), vec!["'a'".to_owned()]));
}

#[tokio::test]
async fn what_cannot_be_drawn_says_which_parameter_and_why() {
    let mut place = Drawing::new("undrawn", ORDERS).await;
    let reason = place.reason("SELECT * FROM orders WHERE placed > now() - $1::interval", &["age"]).await;
    assert_eq!(reason, "age is compared with no column in a way that tells which values it takes");
    let reason =
        place.reason("SELECT * FROM orders WHERE id = $1 AND placed > now() - $2::interval", &["1", "2"]).await;
    assert!(reason.starts_with("$2 is compared with no column"), "{reason}");
    let reason = place.reason("SELECT * FROM nothing WHERE id > $1", &["1"]).await;
    assert_eq!(reason, "the copy has no statistics about public.nothing.id, with which $1 is compared");
    let mut wrong = query("SELECT * FROM missing WHERE id = $1", &["1"]);
    assert_eq!(place.draw(&mut wrong).await, [], "its capture tells that the server refuses it");
}

#[test]
fn drawn_values_are_in_nothing_that_is_written_or_said() {
    let folder = support::project();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("a file");
    write(
        "source.sql",
        "CREATE TABLE people (id int PRIMARY KEY, name text, tag text);
         INSERT INTO people SELECT g, CASE WHEN g % 2 = 0 THEN 'Zebra-4711-secret' ELSE 'Okapi-' || g || '-secret' END,
           CASE WHEN g % 3 = 0 THEN 'Gnu-4712-secret' ELSE 'x' END FROM generate_series(1, 30000) g;
         CREATE INDEX people_name_idx ON people (name);",
    );
    write("migration.sql", "DROP INDEX people_name_idx;");
    write(
        "queries.sql",
        "-- name: FindPeople :many
SELECT * FROM people WHERE name = :name AND tag = :tag;
-- name: AnyPeople :many
SELECT * FROM people WHERE name = ANY (:names);
-- name: LikePeople :many
SELECT * FROM people WHERE name LIKE :name;
-- name: OddPeople :many
SELECT * FROM people WHERE name = :name AND id / :by > 1;",
    );
    let ran = support::run(support::seatrial(folder.path(), &support::state_folder("draw")).args([
        "check",
        "migration.sql",
        "--source",
        "source.sql",
        "--queries",
        "queries.sql",
        "--out",
        "out",
        "--format",
        "json",
    ]));
    let report = ran.report();
    let sets: Vec<&str> =
        report["queries"].as_array().expect("queries").iter().filter_map(|one| one["parameter_set"].as_str()).collect();
    assert!(sets.contains(&"name most common #1, 50 %; tag most common #1, 67 %"), "{sets:?}");
    let notes = report["query_notes"].to_string();
    assert!(notes.contains("OddPeople is judged by its generic plan alone"), "{notes}");
    let mut texts = vec![ran.stdout, ran.stderr];
    let mut folders = vec![folder.path().join("out")];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                texts.push(String::from_utf8_lossy(&std::fs::read(path).expect("a file")).into_owned());
            }
        }
    }
    assert!(texts.len() > 3, "the folder has the report");
    for text in texts {
        // What patterns begin with as well.
        for part in ["Zebra", "4711", "Okapi", "Gnu", "Zeb", "Oka", "-secret"] {
            assert!(!text.contains(part), "{part} in {text}");
        }
    }
}
