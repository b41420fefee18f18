ALTER TABLE orders ALTER COLUMN id TYPE int, ALTER COLUMN customer_id TYPE int;
