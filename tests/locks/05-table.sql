-- # Tables

-- A new table
CREATE TABLE notes (id int PRIMARY KEY, body text);
--> PostgreSQL 13, 15, 18

-- A new table that references another
CREATE TABLE notes (id int PRIMARY KEY, order_id int REFERENCES orders);
--> PostgreSQL 13, 15, 18
--> lock ShareRowExclusiveLock public.orders
--> lock AccessShareLock public.orders

-- A new table like another
CREATE TABLE orders_copy (LIKE orders INCLUDING ALL);
--> PostgreSQL 13, 15, 18
--> lock AccessShareLock public.orders

-- A new table from a query
CREATE TABLE orders_copy AS SELECT * FROM orders;
--> PostgreSQL 13, 15, 18
--> lock AccessShareLock public.orders
--> lock AccessShareLock public.orders_code_idx
--> lock AccessShareLock public.orders_customer_id_idx
--> lock AccessShareLock public.orders_pkey
--> reads public.orders 400 rows

-- A new table that inherits
CREATE TABLE orders_old (reason text) INHERITS (orders);
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders

-- Changes to a table of the same run
CREATE TABLE notes (id int, body text);
INSERT INTO notes SELECT g, 'body' FROM generate_series(1, 100) g;
ALTER TABLE notes ADD COLUMN number serial;
--> PostgreSQL 13, 15, 18

-- An index on a table of the same run
CREATE TABLE notes (id int, body text);
CREATE INDEX notes_body_idx ON notes (body);
--> PostgreSQL 13, 15, 18

-- A foreign key from a table of the same run
CREATE TABLE notes (id int, order_id int);
ALTER TABLE notes ADD FOREIGN KEY (order_id) REFERENCES orders;
--> PostgreSQL 13, 15, 18
--> lock ShareRowExclusiveLock public.orders
--> lock RowShareLock public.orders
--> lock AccessShareLock public.orders
--> lock AccessShareLock public.orders_code_idx
--> lock AccessShareLock public.orders_customer_id_idx
--> lock AccessShareLock public.orders_pkey

-- Dropping a table
DROP TABLE order_lines;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.order_lines

-- Dropping a table that references another
DROP TABLE payments;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.payments
--> lock AccessExclusiveLock public.payments_id_seq
--> lock AccessExclusiveLock public.payments_pkey

-- Dropping a table that others reference
DROP TABLE orders;
--> PostgreSQL 13, 15, 18
--> fails 2BP01

-- Dropping a table that others reference, with all that depends on it
DROP TABLE orders CASCADE;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.open_orders
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock AccessExclusiveLock public.payments
--> lock AccessExclusiveLock public.totals
--> lock AccessExclusiveLock public.totals_customer_id_idx

-- Dropping a partition
DROP TABLE events_2024;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.events and 1 partition

-- Dropping a schema
--: CREATE TABLE attic.crates (id int);
DROP SCHEMA attic CASCADE;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock attic.crates

-- Emptying a table
TRUNCATE order_lines;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.order_lines
--> lock ShareLock public.order_lines
--> deletes from public.order_lines 800 rows

-- Emptying a table that others reference
TRUNCATE orders CASCADE;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock AccessExclusiveLock public.payments
--> lock AccessExclusiveLock public.payments_pkey
--> lock ShareLock public.orders
--> lock ShareLock public.payments
--> deletes from public.orders 400 rows
--> deletes from public.payments 300 rows

-- Emptying a table and its sequence
TRUNCATE payments RESTART IDENTITY;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.payments
--> lock AccessExclusiveLock public.payments_id_seq
--> lock AccessExclusiveLock public.payments_pkey
--> lock ShareLock public.payments
--> lock RowExclusiveLock public.payments_id_seq
--> deletes from public.payments 300 rows

-- Emptying a table and filling it again
TRUNCATE order_lines;
INSERT INTO order_lines VALUES (1, 1, 1);
--> PostgreSQL 13, 15, 18
--> lock RowExclusiveLock public.order_lines
--> inserts into public.order_lines 1 rows

-- Emptying a table within a block of code
DO $$ BEGIN TRUNCATE order_lines; END $$;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.order_lines
--> lock ShareLock public.order_lines
--> deletes from public.order_lines 800 rows

-- Renaming a table
ALTER TABLE orders RENAME TO purchases;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- Renaming a column
ALTER TABLE orders RENAME COLUMN region TO area;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- Moving a table to another schema
ALTER TABLE orders SET SCHEMA attic;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- Owner
--: CREATE TABLE attic.crates (id int);
ALTER TABLE attic.crates OWNER TO archivist;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock attic.crates

-- Storage parameters
ALTER TABLE orders SET (fillfactor = 70);
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders

-- Storage parameters of autovacuum
ALTER TABLE orders SET (autovacuum_enabled = false);
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders

-- Unlogged
ALTER TABLE bookings SET UNLOGGED;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.bookings
--> lock ShareLock public.bookings
--> rewrites public.bookings
--> reads public.bookings 100 rows

-- Unlogged, with a sequence of its own
--: ALTER TABLE payments DROP CONSTRAINT payments_order_id_fkey;
ALTER TABLE payments SET UNLOGGED;
--> PostgreSQL 13
--> lock AccessExclusiveLock public.payments
--> lock AccessExclusiveLock public.payments_pkey
--> lock ShareLock public.payments
--> rewrites public.payments
--> reads public.payments 300 rows
--> PostgreSQL 15, 18
--> lock AccessExclusiveLock public.payments
--> lock AccessExclusiveLock public.payments_id_seq
--> lock AccessExclusiveLock public.payments_pkey
--> lock ShareLock public.payments
--> lock RowExclusiveLock public.payments_id_seq
--> rewrites public.payments
--> reads public.payments 300 rows

-- Logged, when it is already
ALTER TABLE bookings SET LOGGED;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.bookings

-- The tablespace it is in already
ALTER TABLE orders SET TABLESPACE pg_default;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- The access method it has already
ALTER TABLE orders SET ACCESS METHOD heap;
--> PostgreSQL 13
--> fails 42601
--> PostgreSQL 15, 18
--> lock AccessExclusiveLock public.orders

-- In the order of an index
CLUSTER orders USING orders_code_idx;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> lock AccessShareLock public.orders_code_idx
--> lock AccessShareLock public.orders_customer_id_idx
--> lock AccessShareLock public.orders_pkey
--> rewrites public.orders
--> reads public.orders 400 rows

-- Marked to be clustered
ALTER TABLE orders CLUSTER ON orders_code_idx;
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders
--> lock ShareUpdateExclusiveLock public.orders_code_idx

-- Inheriting
--: CREATE TABLE staff_all (id int, name text);
ALTER TABLE staff INHERIT staff_all;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.staff
--> lock ShareUpdateExclusiveLock public.staff_all

-- No longer inheriting
--: CREATE TABLE staff_all (id int, name text); ALTER TABLE staff INHERIT staff_all;
ALTER TABLE staff NO INHERIT staff_all;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.staff
--> lock AccessShareLock public.staff_all

-- Replica identity
ALTER TABLE orders REPLICA IDENTITY FULL;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- Vacuum
VACUUM orders;
--> PostgreSQL 13
--> PostgreSQL 15, 18
--> lock ShareUpdateExclusiveLock public.orders, sampled

-- Vacuum and analyze
VACUUM (ANALYZE) orders;
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders
--> lock AccessShareLock public.orders_code_idx
--> lock AccessShareLock public.orders_customer_id_idx
--> lock AccessShareLock public.orders_pkey

-- Vacuum with a new file
VACUUM FULL orders;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> rewrites public.orders

-- Analyze
ANALYZE orders;
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders
--> lock AccessShareLock public.orders_code_idx
--> lock AccessShareLock public.orders_customer_id_idx
--> lock AccessShareLock public.orders_pkey

-- Statistics over several columns
CREATE STATISTICS orders_both ON status, quantity FROM orders;
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders

-- A comment
COMMENT ON TABLE orders IS 'what was bought';
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders

-- A comment on a column
COMMENT ON COLUMN orders.total IS 'with VAT';
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders
