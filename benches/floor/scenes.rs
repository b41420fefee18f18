//! The scenes: a database, hot queries, what is pending, and a way back for the hand.

use std::fmt::Write as _;

/// One of them.
pub struct Scene {
    /// In the table.
    pub name: String,
    /// By which it is asked for.
    pub kind: &'static str,
    /// What makes the database.
    pub source: String,
    pub queries: Vec<Query>,
    /// Name and text of each pending file, in order.
    pub migrations: Vec<(String, String)>,
    /// The way back of each.
    pub back: Vec<String>,
}

/// A hot query, with at most one parameter.
pub struct Query {
    /// `{}` stands for the parameter.
    pub sql: String,
    pub value: Option<String>,
}

/// Each with one that is a tenth of it, where that says something.
pub fn all(megabytes: u64) -> Vec<(Option<Scene>, Scene)> {
    vec![
        (None, large_database(megabytes)),
        (Some(statements(20)), statements(200)),
        (Some(hot_queries(100)), hot_queries(1000)),
        (Some(pending(10)), pending(100)),
        (Some(tables(200)), tables(2000)),
        (Some(partitions(500)), partitions(5000)),
    ]
}

/// With the history of a migration tool, as projects have it.
const SHOP: &str = "
CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, installed_on timestamptz NOT NULL DEFAULT now(),
    success boolean NOT NULL, checksum bytea NOT NULL, execution_time bigint NOT NULL);
CREATE TABLE customers (id int PRIMARY KEY, email text NOT NULL, country text NOT NULL);
INSERT INTO customers SELECT g, 'c' || g || '@example.org', 'country ' || g % 9 FROM generate_series(1, :customers) g;
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, placed date NOT NULL, status text NOT NULL, total int NOT NULL, note text);
INSERT INTO orders SELECT g, 1 + g * 7919::bigint % :customers, date '2024-01-01' + g % 700, 'status ' || g % 40, g % 1000, repeat(md5(g::text), 6)
    FROM generate_series(1, :orders) g;
CREATE TABLE items (id int PRIMARY KEY, order_id int NOT NULL, product_id int NOT NULL, qty int NOT NULL);
INSERT INTO items SELECT g, 1 + g % :orders, 1 + g % 300, 1 + g % 5 FROM generate_series(1, 2 * :orders) g;
CREATE INDEX orders_customer_id_idx ON orders (customer_id);
CREATE INDEX items_order_id_idx ON items (order_id);
";

/// An order with its index entries takes some 310 bytes, its two items 140.
fn shop(orders: u64) -> String {
    SHOP.replace(":orders", &orders.to_string()).replace(":customers", &(orders / 20).max(100).to_string())
}

/// What an application asks, with other values each.
fn shop_queries(count: usize) -> Vec<Query> {
    let shapes = [
        "SELECT id, total FROM orders WHERE customer_id = {}",
        "SELECT c.email, o.total FROM customers c JOIN orders o ON o.customer_id = c.id WHERE c.id = {} ORDER BY o.placed",
        "SELECT o.id, i.qty FROM orders o JOIN items i ON i.order_id = o.id WHERE o.id = {} ORDER BY i.id",
        "SELECT o.status, sum(i.qty) FROM orders o JOIN items i ON i.order_id = o.id WHERE o.customer_id = {} GROUP BY o.status",
        "SELECT email FROM customers WHERE id = {}",
    ];
    (0..count)
        .map(|n| {
            let (shape, value) = (shapes[n % shapes.len()], (n + 1).to_string());
            // Every second one has its value in its text, and so one plan instead of two.
            match n % 2 {
                0 => Query { sql: shape.to_owned(), value: Some(value) },
                _ => Query { sql: shape.replace("{}", &value), value: None },
            }
        })
        .collect()
}

fn large_database(megabytes: u64) -> Scene {
    let up = "ALTER TABLE orders ADD COLUMN channel text NOT NULL DEFAULT 'web';\n\
              CREATE INDEX orders_placed_idx ON orders (placed);\n";
    Scene {
        name: format!("{megabytes} MB, 50 hot queries"),
        kind: "large",
        source: shop(megabytes * 1_000_000 / 450),
        queries: shop_queries(50),
        migrations: vec![("0001_part.sql".to_owned(), up.to_owned())],
        back: vec!["DROP INDEX orders_placed_idx; ALTER TABLE orders DROP COLUMN channel;".to_owned()],
    }
}

/// Eight small ones at a time, of what migrations are made of.
fn statements(count: usize) -> Scene {
    let (mut up, mut back) = (String::new(), String::new());
    for n in 1..=count.div_ceil(8) {
        write!(
            up,
            "CREATE TABLE t{n} (id int PRIMARY KEY, customer_id int, body text, made timestamptz);\n\
             INSERT INTO t{n} (id, customer_id, body) SELECT g, g, 'body' FROM generate_series(1, 50) g;\n\
             CREATE INDEX t{n}_customer_id_idx ON t{n} (customer_id);\n\
             ALTER TABLE t{n} ADD COLUMN memo text NOT NULL DEFAULT 'none';\n\
             ALTER TABLE t{n} ADD CONSTRAINT t{n}_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers;\n\
             ALTER TABLE orders ADD COLUMN c{n} int;\n\
             UPDATE t{n} SET body = 'other' WHERE id < 10;\n\
             CREATE INDEX orders_c{n}_idx ON orders (c{n});\n"
        )
        .unwrap();
        write!(back, "DROP TABLE t{n}; ALTER TABLE orders DROP COLUMN c{n};").unwrap();
    }
    Scene {
        name: format!("{} small statements", count.div_ceil(8) * 8),
        kind: "statements",
        source: shop(5000),
        queries: shop_queries(10),
        migrations: vec![("0001_part.sql".to_owned(), up)],
        back: vec![back],
    }
}

fn hot_queries(count: usize) -> Scene {
    Scene {
        name: format!("{count} hot queries"),
        kind: "queries",
        source: shop(100_000),
        queries: shop_queries(count),
        migrations: vec![("0001_part.sql".to_owned(), "ALTER TABLE orders ADD COLUMN channel text;\n".to_owned())],
        back: vec!["ALTER TABLE orders DROP COLUMN channel;".to_owned()],
    }
}

fn pending(count: usize) -> Scene {
    let mut back = Vec::new();
    let migrations = (1..=count)
        .map(|n| {
            back.push(format!("DROP TABLE t{n}; ALTER TABLE orders DROP COLUMN c{n};"));
            let up = format!(
                "CREATE TABLE t{n} (id int PRIMARY KEY, order_id int NOT NULL);\n\
                 CREATE INDEX t{n}_order_id_idx ON t{n} (order_id);\n\
                 ALTER TABLE orders ADD COLUMN c{n} int;\n"
            );
            (format!("{n:04}_part.sql"), up)
        })
        .collect();
    Scene {
        name: format!("{count} pending migrations"),
        kind: "migrations",
        source: shop(5000),
        queries: shop_queries(10),
        migrations,
        back,
    }
}

fn tables(count: usize) -> Scene {
    let mut source = shop(5000);
    for n in 1..=count {
        writeln!(
            source,
            "CREATE TABLE part_{n} (id int PRIMARY KEY, owner int NOT NULL, body text, made timestamptz DEFAULT now());\n\
             INSERT INTO part_{n} SELECT g, g % 7, 'body' FROM generate_series(1, 20) g;\n\
             CREATE INDEX part_{n}_owner_idx ON part_{n} (owner);"
        )
        .unwrap();
    }
    Scene {
        name: format!("{count} tables"),
        kind: "tables",
        source,
        queries: shop_queries(20),
        migrations: vec![("0001_part.sql".to_owned(), "ALTER TABLE orders ADD COLUMN channel text;\n".to_owned())],
        back: vec!["ALTER TABLE orders DROP COLUMN channel;".to_owned()],
    }
}

fn partitions(count: usize) -> Scene {
    let mut source = shop(5000);
    source.push_str("CREATE TABLE events (id bigint NOT NULL, day int NOT NULL, body text, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);\n");
    for n in 1..=count {
        writeln!(source, "CREATE TABLE events_{n} PARTITION OF events FOR VALUES FROM ({}) TO ({n});", n - 1).unwrap();
    }
    writeln!(source, "INSERT INTO events SELECT g, g % {count}, 'body' FROM generate_series(1, {}) g;", count * 20)
        .unwrap();
    let mut queries = shop_queries(19);
    queries.push(Query {
        sql: "SELECT body FROM events WHERE day = {} AND id < 1000".to_owned(),
        value: Some("7".to_owned()),
    });
    Scene {
        name: format!("{count} partitions"),
        kind: "partitions",
        source,
        queries,
        migrations: vec![("0001_part.sql".to_owned(), "ALTER TABLE events ADD COLUMN channel text;\n".to_owned())],
        back: vec!["ALTER TABLE events DROP COLUMN channel;".to_owned()],
    }
}
