-- The sample shop of Seatrial for SQLite: laid out as `.dump` of the sqlite3 shell writes it, except that its rows
-- come from recursive queries and integer arithmetic. No person in it exists.

PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;

CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);

INSERT INTO _sqlx_migrations VALUES
    (20260105090000, 'create shop', '2026-01-05 09:12:31', TRUE,
     X'27A3E92E961AACD7F350B1C07FC31641C6E0A8FD0C01236BE875ABAA692E9D5292D2A22FC5664E00849EABC4B095E185',
     8123456);

CREATE TABLE categories (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    slug TEXT NOT NULL UNIQUE
);

CREATE TABLE products (
    id INTEGER PRIMARY KEY,
    sku TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    category_id INTEGER REFERENCES categories (id) ON DELETE SET NULL,
    price_cents INTEGER NOT NULL CHECK (price_cents > 0),
    status TEXT NOT NULL DEFAULT 'active'
);

CREATE TABLE customers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL UNIQUE COLLATE NOCASE,
    full_name TEXT NOT NULL,
    delivery_notes TEXT
);

CREATE TABLE orders (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    customer_id INTEGER NOT NULL REFERENCES customers (id),
    status TEXT NOT NULL,
    placed_at TEXT NOT NULL,
    total_cents INTEGER NOT NULL
);

CREATE TABLE order_items (
    order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    line_no INTEGER NOT NULL,
    product_id INTEGER NOT NULL REFERENCES products (id),
    quantity INTEGER NOT NULL,
    unit_price_cents INTEGER NOT NULL,
    amount_cents INTEGER GENERATED ALWAYS AS (quantity * unit_price_cents) VIRTUAL,
    PRIMARY KEY (order_id, line_no)
) WITHOUT ROWID;

CREATE TABLE payments (
    id INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL REFERENCES orders (id),
    terminal_no TEXT NOT NULL,
    paid_at TEXT NOT NULL,
    amount_cents INTEGER NOT NULL
);

CREATE TABLE stock_movements (
    id INTEGER PRIMARY KEY,
    product_id INTEGER NOT NULL REFERENCES products (id),
    moved_at TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    reference TEXT
);

CREATE TABLE newsletter_subscribers (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL,
    subscribed_at TEXT NOT NULL
);

CREATE TABLE import_batches (
    id INTEGER PRIMARY KEY,
    file_name TEXT NOT NULL,
    row_count INTEGER NOT NULL
);

INSERT INTO categories
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 48)
SELECT i, 'Category ' || i, 'category-' || i FROM n;

INSERT INTO products
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 12000)
SELECT i, printf('SKU-%05d', i), 'Product ' || i, 1 + (i * 7 % 48), 199 + (i * 7919 % 20000),
       CASE WHEN i % 25 = 0 THEN 'retired' ELSE 'active' END
FROM n;

INSERT INTO customers
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000)
SELECT i, 'anna' || i || '@example.org', 'Customer ' || i, CASE WHEN i % 4 = 0 THEN 'Ring twice, gate ' || (i % 90) END
FROM n;

-- Twenty hotels place one order in twelve; two orders in a thousand wait for payment.
INSERT INTO orders
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 60000)
SELECT i, CASE WHEN i % 12 = 0 THEN 1 + (i / 12 % 20) ELSE 21 + (i * 7907 % 19900) END,
       CASE WHEN i * 31 % 1000 < 2 THEN 'awaiting_payment' WHEN i % 50 = 0 THEN 'refunded'
            WHEN i > 59700 THEN 'paid' ELSE 'delivered' END,
       datetime('2026-01-05 08:00:00', (i * 205) || ' seconds'), 500 + (i * 7919 % 30000)
FROM n;

INSERT INTO order_items (order_id, line_no, product_id, quantity, unit_price_cents)
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 60000), line (k) AS (VALUES (1), (2), (3))
SELECT i, k, 1 + ((i * 13 + k * 7001) % 12000), 1 + ((i + k) % 4), 199 + (i * 31 % 20000)
FROM n, line
WHERE k <= 1 + (i % 2);

INSERT INTO payments
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 58000)
SELECT i, i, printf('%04d', 1 + (i * 7 % 40)), datetime('2026-01-05 08:10:00', (i * 205) || ' seconds'),
       500 + (i * 7919 % 30000)
FROM n;

INSERT INTO stock_movements
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 30000)
SELECT i, 1 + (i * 7919 % 12000), datetime('2026-01-05 06:00:00', (i * 100) || ' seconds'), 1 + (i % 20),
       'DN-' || (100000 + i * 17 % 90000)
FROM n;

-- 23 addresses stand there twice or three times.
INSERT INTO newsletter_subscribers
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 24000)
SELECT i, 'reader' || CASE WHEN i > 23976 THEN 1 + (i * 5 % 23) * 10 ELSE i END || '@example.org',
       datetime('2026-01-05 10:00:00', (i * 500) || ' seconds')
FROM n;

INSERT INTO import_batches
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 60)
SELECT i, printf('till-%02d.csv', i), 900 + i * 7 FROM n;

CREATE INDEX products_category_id_idx ON products (category_id);
CREATE INDEX orders_customer_id_placed_at_idx ON orders (customer_id, placed_at DESC);
CREATE INDEX orders_status_placed_at_idx ON orders (status, placed_at);
CREATE INDEX order_items_product_id_idx ON order_items (product_id);
CREATE INDEX payments_order_id_idx ON payments (order_id);
CREATE INDEX payments_terminal_no_idx ON payments (terminal_no, paid_at);
CREATE INDEX stock_movements_product_id_idx ON stock_movements (product_id, moved_at);

CREATE VIEW order_totals AS
SELECT o.id, o.customer_id, sum(i.amount_cents) AS total_cents
FROM orders o
JOIN order_items i ON i.order_id = o.id
GROUP BY o.id;

CREATE TRIGGER orders_total_not_negative BEFORE UPDATE OF total_cents ON orders
WHEN new.total_cents < 0
BEGIN
    SELECT RAISE(ABORT, 'an order cannot cost less than nothing');
END;

ANALYZE;

COMMIT;
