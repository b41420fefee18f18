CREATE TABLE new_orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    total REAL NOT NULL DEFAULT 0 CHECK (total >= 0),
    note TEXT,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'sent'))
);
INSERT INTO new_orders (id, customer_id, total, note)
SELECT id, customer_id, total, note FROM orders;
DROP TABLE orders;
ALTER TABLE new_orders RENAME TO orders;
