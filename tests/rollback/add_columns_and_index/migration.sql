ALTER TABLE orders ADD COLUMN tax numeric, ADD COLUMN total numeric GENERATED ALWAYS AS (amount * 2) STORED;
CREATE INDEX orders_total_idx ON orders (total, customer_id);
CREATE VIEW totals AS SELECT customer_id, sum(total) AS total FROM orders GROUP BY 1;
