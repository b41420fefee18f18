-- The shop's own database, on the computer under the counter.

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
