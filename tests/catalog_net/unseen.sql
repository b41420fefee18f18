--! rows written
INSERT INTO twice VALUES (2); UPDATE customers SET note = 'm'; SELECT nextval('counter');
--! VACUUM and ANALYZE
VACUUM (ANALYZE); VACUUM (FULL) customers; CLUSTER orders USING orders_placed_idx; ALTER TABLE orders SET WITHOUT CLUSTER;
--! REINDEX and TRUNCATE
REINDEX TABLE customers; TRUNCATE narrow; REINDEX SYSTEM unseen;
--! a materialized view refreshed
REFRESH MATERIALIZED VIEW totals;
--! granted and revoked
GRANT SELECT ON orders TO reader; REVOKE SELECT ON orders FROM reader;
--! privileges in another order
REVOKE SELECT ON customers FROM reader; GRANT SELECT ON customers TO writer; GRANT SELECT ON customers TO reader; REVOKE SELECT ON customers FROM writer;
--! column added and dropped
ALTER TABLE orders ADD COLUMN memo text DEFAULT 'x'; ALTER TABLE orders DROP COLUMN memo;
--! last column dropped and added again
ALTER TABLE narrow DROP COLUMN c; ALTER TABLE narrow ADD COLUMN c integer;
--! table dropped and made again
DROP TABLE twice; CREATE TABLE twice (n integer);
--! table with key and serial dropped and made again
CREATE TABLE shortlived (id serial PRIMARY KEY, t text); DROP TABLE shortlived;
--! serial made again
ALTER TABLE customers ALTER id DROP DEFAULT; DROP SEQUENCE customers_id_seq; CREATE SEQUENCE customers_id_seq AS integer OWNED BY customers.id; ALTER TABLE customers ALTER id SET DEFAULT nextval('customers_id_seq');
--! identity made again
ALTER TABLE orders ALTER id DROP IDENTITY; ALTER TABLE orders ALTER id ADD GENERATED ALWAYS AS IDENTITY;
--! foreign key made again
ALTER TABLE orders DROP CONSTRAINT orders_customer_fkey; ALTER TABLE orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers (id);
--! check made again
ALTER TABLE orders DROP CONSTRAINT orders_total_check; ALTER TABLE orders ADD CONSTRAINT orders_total_check CHECK (total >= 0) NOT VALID; ALTER TABLE orders VALIDATE CONSTRAINT orders_total_check;
--! primary key made again
ALTER TABLE annex.extra DROP CONSTRAINT extra_pkey; ALTER TABLE annex.extra ADD CONSTRAINT extra_pkey PRIMARY KEY (a);
--! index made again, concurrently
DROP INDEX CONCURRENTLY orders_placed_idx; CREATE INDEX CONCURRENTLY orders_placed_idx ON orders (placed);
--! index made again with an expression
DROP INDEX customers_lower_idx; CREATE INDEX customers_lower_idx ON customers (lower(note)) WHERE note <> '';
--! partition detached and attached
ALTER TABLE events DETACH PARTITION events_new; ALTER TABLE events ATTACH PARTITION events_new FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
--! inheritance given up and taken again
ALTER TABLE child NO INHERIT parent; ALTER TABLE child INHERIT parent;
--! table renamed and back
ALTER TABLE orders RENAME TO orders_x; ALTER TABLE orders_x RENAME TO orders;
--! column renamed and back
ALTER TABLE orders RENAME total TO sum; ALTER TABLE orders RENAME sum TO total;
--! schema renamed and back
ALTER SCHEMA annex RENAME TO annexe; ALTER SCHEMA annexe RENAME TO annex;
--! names of two tables exchanged, and back
ALTER TABLE twice RENAME TO swap; ALTER TABLE narrow RENAME TO twice; ALTER TABLE swap RENAME TO narrow; ALTER TABLE narrow RENAME TO swap; ALTER TABLE twice RENAME TO narrow; ALTER TABLE swap RENAME TO twice;
--! view made again
DROP VIEW open_orders; CREATE VIEW open_orders AS SELECT o.id, c.email FROM orders o JOIN customers c ON c.id = o.customer_id;
--! materialized view made again
DROP MATERIALIZED VIEW totals; CREATE MATERIALIZED VIEW totals AS SELECT customer_id, sum(total) AS total FROM orders GROUP BY 1;
--! function replaced and back, another dropped and made again
CREATE OR REPLACE FUNCTION double(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n + n'; CREATE OR REPLACE FUNCTION double(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 2 * n'; DROP FUNCTION double(text, integer); CREATE FUNCTION double(n text, times integer DEFAULT 2) RETURNS text LANGUAGE sql AS 'SELECT n';
--! enum made again
ALTER TABLE customers ALTER mood DROP DEFAULT; ALTER TYPE mood RENAME TO mood_old; CREATE TYPE mood AS ENUM ('low', 'high'); ALTER TABLE customers ALTER mood TYPE mood USING mood::text::mood; ALTER TABLE customers ALTER mood SET DEFAULT 'low'; DROP TYPE mood_old;
--! enum of other sort positions
CREATE TYPE hue AS ENUM ('red', 'blue'); ALTER TYPE hue ADD VALUE 'green' AFTER 'red'; DROP TYPE hue;
--! trigger made again
DROP TRIGGER orders_touched ON orders; CREATE TRIGGER orders_touched BEFORE UPDATE OF total, placed ON orders FOR EACH ROW WHEN (NEW.total > 0) EXECUTE FUNCTION touched();
--! trigger of a partitioned table made again
DROP TRIGGER events_touched ON events; CREATE TRIGGER events_touched AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION touched();
--! trigger disabled and enabled
ALTER TABLE orders DISABLE TRIGGER ALL; ALTER TABLE orders ENABLE TRIGGER ALL;
--! rule and policy made again, its roles in another order
DROP RULE narrow_rule ON narrow; CREATE RULE narrow_rule AS ON DELETE TO narrow DO INSTEAD NOTHING; DROP POLICY customers_policy ON customers; CREATE POLICY customers_policy ON customers TO writer, reader USING (id > 0);
--! statistics made again
DROP STATISTICS orders_stats; CREATE STATISTICS orders_stats (dependencies) ON placed, customer_id FROM orders;
--! publication made again
DROP PUBLICATION all_orders; CREATE PUBLICATION all_orders FOR TABLE orders;
--! not null given up and set again
ALTER TABLE customers ALTER email DROP NOT NULL; ALTER TABLE customers ALTER email SET NOT NULL;
--! column of type text there and back
ALTER TABLE narrow ALTER b TYPE bigint; ALTER TABLE narrow ALTER b TYPE integer;
--! more dimensions that nothing enforces
ALTER TABLE customers ALTER matrix TYPE int[][];
--! a toastable column that was there for a moment
ALTER TABLE narrow ADD wide text; ALTER TABLE narrow DROP wide;
--! a temporary table
CREATE TEMPORARY TABLE passing (a serial PRIMARY KEY, t text); INSERT INTO passing (t) VALUES ('x');
--! operator, cast, aggregate, domain and range made again
DROP OPERATOR === (pair, pair); CREATE OPERATOR === (LEFTARG = pair, RIGHTARG = pair, FUNCTION = same); DROP CAST (integer AS pair); CREATE CAST (integer AS pair) WITH FUNCTION to_pair(integer); DROP AGGREGATE largest (integer); CREATE AGGREGATE largest (integer) (SFUNC = int4larger, STYPE = integer); DROP TYPE span; CREATE TYPE span AS RANGE (subtype = integer);
--! server, mapping and foreign table made again, options in another order
DROP SERVER elsewhere CASCADE; CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere OPTIONS (port '5', host 'h'); CREATE USER MAPPING FOR app SERVER elsewhere OPTIONS (password 'secret'); CREATE FOREIGN TABLE far (a integer) SERVER elsewhere OPTIONS (more 'm', path 'p');
--! a collation copied, and made again from its own words
DROP COLLATION plain; CREATE COLLATION plain FROM "C"; DROP COLLATION plain; CREATE COLLATION plain (LOCALE = 'C');
--! role and membership there and back
CREATE ROLE passing_by; GRANT writer TO passing_by; DROP ROLE passing_by; GRANT reader TO writer; REVOKE reader FROM writer;
--! settings there and back, in another order
ALTER ROLE reader SET work_mem = '5MB'; ALTER ROLE reader RESET work_mem; ALTER DATABASE unseen SET work_mem = '5MB'; ALTER DATABASE unseen RESET work_mem;
--! a password set and taken away
ALTER ROLE reader PASSWORD 'x'; ALTER ROLE reader PASSWORD NULL;
--! everything in schemas of the proof's own
CREATE SCHEMA seatrial_backup AUTHORIZATION app; CREATE TYPE seatrial_backup.kind AS ENUM ('a'); CREATE TABLE seatrial_backup.t (id serial PRIMARY KEY, m mood, k seatrial_backup.kind, CHECK (id > 0)); ALTER TABLE seatrial_backup.t OWNER TO app; COMMENT ON TABLE seatrial_backup.t IS 'c'; GRANT SELECT ON seatrial_backup.t TO reader; CREATE INDEX ON seatrial_backup.t (m); CREATE FUNCTION seatrial_backup.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE TRIGGER g BEFORE INSERT ON seatrial_backup.t FOR EACH ROW EXECUTE FUNCTION seatrial_backup.f(); CREATE VIEW seatrial_backup.v AS SELECT * FROM seatrial_backup.t; CREATE SCHEMA seatrial_witness; CREATE TABLE seatrial_witness.w AS SELECT * FROM customers;
--! an extension made again
CREATE EXTENSION citext; CREATE TABLE insensitive (c citext); DROP TABLE insensitive; DROP EXTENSION citext;
--! a number that the server itself keeps among a column's options, as 17.12 does
UPDATE pg_attribute SET attoptions = '{pg_attver=29690192}' WHERE attrelid = 'customers'::regclass AND attname = 'note';
--! another such number
UPDATE pg_attribute SET attoptions = '{pg_attver=55211328}' WHERE attrelid = 'customers'::regclass AND attname = 'note';
--! none any more
UPDATE pg_attribute SET attoptions = NULL WHERE attrelid = 'customers'::regclass AND attname = 'note';
