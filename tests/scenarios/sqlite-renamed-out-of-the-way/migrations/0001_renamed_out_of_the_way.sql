ALTER TABLE customers RENAME TO old_customers;
CREATE TABLE customers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL COLLATE NOCASE,
    code TEXT UNIQUE,
    email TEXT
);
INSERT INTO customers (id, name, code) SELECT id, name, code FROM old_customers;
DROP TABLE old_customers;
