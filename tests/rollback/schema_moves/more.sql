CREATE SCHEMA old; CREATE TABLE old.things (id serial PRIMARY KEY, v text DEFAULT 'x'); COMMENT ON SCHEMA old IS 'of old';
CREATE FUNCTION total(bigint) RETURNS numeric LANGUAGE sql AS 'SELECT sum(amount) FROM public.orders WHERE customer_id = $1';
