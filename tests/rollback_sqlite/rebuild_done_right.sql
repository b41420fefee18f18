-- verdict: exact
-- migration
DROP VIEW open_orders;
CREATE TABLE new_orders (
    id INTEGER PRIMARY KEY,
    customer INTEGER NOT NULL REFERENCES customers (id),
    total REAL NOT NULL DEFAULT 0,
    status TEXT NOT NULL DEFAULT 'new',
    note TEXT
);
INSERT INTO new_orders (id, customer, total, status, note) SELECT id, customer, total, status, note FROM orders;
DROP TABLE orders;
ALTER TABLE new_orders RENAME TO orders;
CREATE INDEX orders_by_customer ON orders (customer);
CREATE INDEX dear_orders ON orders (total DESC) WHERE total > 100;
CREATE VIEW open_orders AS SELECT orders.id, email, total FROM orders JOIN customers ON customers.id = orders.customer WHERE status = 'new';
