CREATE FUNCTION price(a numeric, b numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT a * b';
ALTER TABLE orders ADD COLUMN cost numeric GENERATED ALWAYS AS (price(amount, 2)) STORED;
ALTER TABLE orders ADD CHECK (price(amount, 1) >= 0);
CREATE INDEX ON orders (price(amount, 3));
CREATE VIEW costs AS SELECT price(amount, 4) FROM orders;
