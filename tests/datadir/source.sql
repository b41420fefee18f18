CREATE ROLE app LOGIN PASSWORD 'secret-word';
CREATE ROLE boss SUPERUSER LOGIN CREATEROLE CONNECTION LIMIT 0;
CREATE ROLE "Ödd ""role\" NOLOGIN;
GRANT pg_read_server_files TO app;
GRANT "Ödd ""role\" TO postgres;
GRANT postgres TO boss;
ALTER ROLE postgres SET statement_timeout = '77s';
ALTER ROLE boss SET session_preload_libraries = 'no_such_library';
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO app;

CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(1, 1000) AS n;
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, status text);
INSERT INTO orders SELECT n, 1 + n % 1000, CASE WHEN n % 50 = 0 THEN 'late' ELSE 'done' END FROM generate_series(1, 30000) AS n;
ANALYZE;
-- Bloat, and statistics that are behind.
UPDATE orders SET status = 'gone' WHERE id % 3 = 0;
DELETE FROM orders WHERE id % 7 = 0;
CREATE INDEX orders_customer ON orders (customer) TABLESPACE fast;
CREATE INDEX orders_status ON orders (status);
ALTER TABLE orders OWNER TO app;
CREATE TABLE items (id int) TABLESPACE fast;
ALTER TABLE items OWNER TO app;
CREATE TABLE notes (id int);
ALTER TABLE notes OWNER TO app;
CREATE TABLE counted AS SELECT 1 AS n;
CREATE UNLOGGED TABLE kept AS SELECT generate_series(1, 3) AS n;
SELECT lo_create(4711);

CREATE FOREIGN DATA WRAPPER wires;
CREATE SERVER far FOREIGN DATA WRAPPER wires OPTIONS (host 'db.example.com', dbname 'shop', password 'secret-word');
CREATE USER MAPPING FOR app SERVER far OPTIONS (user 'x', password 'secret-word');
CREATE SUBSCRIPTION news CONNECTION 'host=/nonexistent dbname=x password=secret-word' PUBLICATION p WITH (connect = false);

CREATE TABLE watched (tag text);
CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('application_name') = 'seatrial restore' THEN
        INSERT INTO watched VALUES (tg_tag);
    END IF;
END $$;
CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION watch();
ALTER EVENT TRIGGER watch ENABLE ALWAYS;
