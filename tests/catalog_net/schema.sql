CREATE TYPE mood AS ENUM ('low', 'high');
CREATE DOMAIN positive AS integer CONSTRAINT positive_check CHECK (VALUE > 0);
CREATE TYPE pair AS (a integer, b text);
CREATE TYPE span AS RANGE (subtype = integer);
CREATE TABLE customers (id serial PRIMARY KEY, email text NOT NULL, mood mood DEFAULT 'low', note text DEFAULT 'x', matrix int[]);
CREATE UNIQUE INDEX customers_email_key ON customers (email);
CREATE UNIQUE INDEX customers_email_twin ON customers (email);
CREATE INDEX customers_lower_idx ON customers (lower(note)) WHERE note <> '';
INSERT INTO customers (email) VALUES ('a'), ('b');
CREATE TABLE orders (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id integer CONSTRAINT orders_customer_fkey REFERENCES customers (id),
    total numeric CONSTRAINT orders_total_check CHECK (total >= 0),
    net numeric GENERATED ALWAYS AS (total * 2) STORED,
    placed date, tags text[], amount positive
);
CREATE INDEX orders_placed_idx ON orders (placed);
CREATE TABLE twice (n integer);
INSERT INTO twice VALUES (1), (1);
CREATE TABLE narrow (a integer, b integer, c integer);
CREATE TABLE events (at date NOT NULL, customer_id integer REFERENCES customers (id), what text DEFAULT 'none') PARTITION BY RANGE (at);
CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE INDEX events_what_idx ON events (what);
CREATE TABLE parent (a integer CONSTRAINT parent_check CHECK (a > 0));
CREATE TABLE child (a integer CONSTRAINT parent_check CHECK (a > 0), b integer);
ALTER TABLE child INHERIT parent;
CREATE VIEW open_orders AS SELECT o.id, c.email FROM orders o JOIN customers c ON c.id = o.customer_id;
CREATE MATERIALIZED VIEW totals AS SELECT customer_id, sum(total) AS total FROM orders GROUP BY 1;
CREATE FUNCTION double(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2 * n';
CREATE FUNCTION double(n text, times integer DEFAULT 2) RETURNS text LANGUAGE sql AS 'SELECT n';
CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION noticed() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE AGGREGATE largest (integer) (SFUNC = int4larger, STYPE = integer);
CREATE FUNCTION same(a pair, b pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT a.a = b.a';
CREATE OPERATOR === (LEFTARG = pair, RIGHTARG = pair, FUNCTION = same);
CREATE FUNCTION to_pair(integer) RETURNS pair LANGUAGE sql IMMUTABLE AS 'SELECT ROW($1, NULL)::pair';
CREATE CAST (integer AS pair) WITH FUNCTION to_pair(integer);
CREATE TRIGGER orders_touched BEFORE UPDATE OF total, placed ON orders FOR EACH ROW WHEN (NEW.total > 0) EXECUTE FUNCTION touched();
CREATE TRIGGER events_touched AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION touched();
CREATE RULE narrow_rule AS ON DELETE TO narrow DO INSTEAD NOTHING;
CREATE POLICY customers_policy ON customers TO reader, writer USING (id > 0);
CREATE STATISTICS orders_stats (dependencies) ON customer_id, placed FROM orders;
CREATE PUBLICATION all_orders FOR TABLE orders;
CREATE EVENT TRIGGER watching ON ddl_command_end WHEN TAG IN ('CREATE AGGREGATE') EXECUTE FUNCTION noticed();
CREATE SEQUENCE counter;
CREATE COLLATION plain (LOCALE = 'C');
CREATE TEXT SEARCH DICTIONARY words (TEMPLATE = simple);
CREATE TEXT SEARCH CONFIGURATION search (COPY = simple);
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere OPTIONS (host 'h', port '5');
CREATE USER MAPPING FOR app SERVER elsewhere OPTIONS (password 'secret');
CREATE FOREIGN TABLE far (a integer) SERVER elsewhere OPTIONS (path 'p', more 'm');
CREATE OPERATOR FAMILY family USING btree;
COMMENT ON TABLE orders IS 'what was ordered';
CREATE SCHEMA annex;
CREATE TABLE annex.extra (a integer PRIMARY KEY);
ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA annex GRANT SELECT ON TABLES TO reader;
GRANT SELECT ON customers TO reader;
VACUUM ANALYZE;
