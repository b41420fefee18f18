CREATE TABLE customers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL COLLATE NOCASE,
    code TEXT UNIQUE
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    total REAL NOT NULL DEFAULT 0 CHECK (total >= 0),
    note TEXT
);
CREATE TABLE notices (body TEXT);
CREATE TABLE audit (order_id INTEGER, at TEXT);
INSERT INTO customers (name, code)
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
SELECT 'Customer ' || i, printf('%03d', i) FROM n;
INSERT INTO orders
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
SELECT i, 1 + (i * 7 % 50), i % 90, CASE WHEN i % 3 = 0 THEN 'note ' || i END FROM n;
CREATE INDEX orders_total_idx ON orders (total) WHERE total > 10;
CREATE INDEX orders_customer_id_idx ON orders (customer_id);
CREATE TRIGGER orders_audit AFTER DELETE ON orders BEGIN INSERT INTO audit VALUES (old.id, datetime('now')); END;
