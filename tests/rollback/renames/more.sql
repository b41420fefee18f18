CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE FUNCTION total(bigint) RETURNS numeric LANGUAGE sql AS 'SELECT sum(amount) FROM public.orders WHERE customer_id = $1';
CREATE VIEW seen AS SELECT id, note, amount FROM orders WHERE note <> '';
CREATE INDEX orders_lower ON orders (lower(note)) WHERE amount > 3;
