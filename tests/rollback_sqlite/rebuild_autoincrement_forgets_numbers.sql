-- verdict: restored_from_backup
-- migration
DROP VIEW open_orders;
CREATE TABLE new_customers (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE, name TEXT, note);
INSERT INTO new_customers SELECT * FROM customers;
DROP TABLE customers;
ALTER TABLE new_customers RENAME TO customers;
