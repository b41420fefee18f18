PRAGMA foreign_keys = OFF;
BEGIN;
CREATE TABLE new_customers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL COLLATE NOCASE,
    code TEXT UNIQUE,
    email TEXT
);
INSERT INTO new_customers (id, name, code) SELECT id, name, code FROM customers;
DROP TABLE customers;
ALTER TABLE new_customers RENAME TO customers;
PRAGMA foreign_key_check;
COMMIT;
PRAGMA foreign_keys = ON;
