CREATE SCHEMA made; CREATE DOMAIN made.positive AS int CHECK (VALUE > 0); CREATE TYPE made.pair AS (a made.positive, b text);
CREATE FUNCTION made.next() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION made.trig() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
ALTER TABLE orders ADD COLUMN p made.positive DEFAULT made.next(), ADD COLUMN q made.pair; ALTER TABLE orders ALTER COLUMN quantity SET DEFAULT made.next();
CREATE TRIGGER made BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION made.trig(); CREATE POLICY made ON orders USING (made.next() > 0); ALTER TABLE orders ADD CHECK (made.next() < quantity + 100);
CREATE FUNCTION made.rows(made.pair) RETURNS SETOF orders LANGUAGE sql AS 'SELECT * FROM public.orders'; CREATE VIEW made.v AS SELECT * FROM made.rows(NULL); CREATE FUNCTION made.over() RETURNS SETOF made.v LANGUAGE sql AS 'SELECT * FROM made.v';
CREATE SEQUENCE made_s OWNED BY orders.quantity; CREATE TABLE made.t () INHERITS (orders);
