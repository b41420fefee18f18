CREATE TABLE new_customers (id INTEGER PRIMARY KEY, code INTEGER UNIQUE, name TEXT NOT NULL);
INSERT INTO new_customers (id, code, name) SELECT id, code, name FROM customers;
DROP TABLE customers;
ALTER TABLE new_customers RENAME TO customers;
