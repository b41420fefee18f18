BEGIN;
ALTER TABLE orders RENAME TO orders_old;
CREATE TABLE orders (LIKE orders_old INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
INSERT INTO orders SELECT * FROM orders_old;
ALTER TABLE orders ADD PRIMARY KEY (id);
CREATE INDEX orders_customer_id_key ON orders (customer_id);
COMMIT;
