-- A small shop: what most cases need.
CREATE TABLE customers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL UNIQUE,
    name TEXT,
    note
);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    total REAL DEFAULT 0,
    status TEXT NOT NULL DEFAULT 'new' CHECK (status <> ''),
    note TEXT
);
CREATE TABLE lines (number INTEGER, position INTEGER, amount, PRIMARY KEY (number, position)) WITHOUT ROWID;
CREATE TABLE events (kind TEXT, payload);
CREATE INDEX orders_by_customer ON orders (customer);
CREATE INDEX dear_orders ON orders (total DESC) WHERE total > 100;
CREATE VIEW open_orders AS SELECT orders.id, email, total FROM orders JOIN customers ON customers.id = orders.customer WHERE status = 'new';
CREATE TRIGGER order_noted AFTER UPDATE OF status ON orders BEGIN
    INSERT INTO events VALUES ('status', new.status);
END;
INSERT INTO customers (email, name, note) VALUES ('a@x', 'Ann', NULL), ('b@x', NULL, 7), ('c@x', 'Cid', x'00ff'), ('d@x', 'D''Arcy', 1.5);
DELETE FROM customers WHERE email = 'd@x';
INSERT INTO orders (customer, total, status, note) VALUES (1, 10, 'new', 'first'), (1, 200.5, 'paid', NULL), (3, 150, 'new', 'third');
INSERT INTO lines VALUES (1, 1, 5), (1, 2, 9223372036854775807), (3, 1, NULL);
INSERT INTO events VALUES ('start', 'x'), ('start', 'x'), (NULL, 2.0);
