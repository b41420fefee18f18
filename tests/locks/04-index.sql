-- # Indexes

-- An index
CREATE INDEX orders_status_idx ON orders (status);
--> PostgreSQL 13, 15, 18
--> lock ShareLock public.orders
--> reads public.orders 400 rows
--> builds public.orders_status_idx

-- A unique index
CREATE UNIQUE INDEX orders_code_key ON orders (code);
--> PostgreSQL 13, 15, 18
--> lock ShareLock public.orders
--> reads public.orders 400 rows
--> builds public.orders_code_key

-- An index on an expression
CREATE INDEX orders_status_idx ON orders (lower(status));
--> PostgreSQL 13, 15, 18
--> lock ShareLock public.orders
--> reads public.orders 400 rows
--> builds public.orders_status_idx

-- A partial index
CREATE INDEX orders_status_idx ON orders (status) WHERE status = 'status 1';
--> PostgreSQL 13, 15, 18
--> lock ShareLock public.orders
--> reads public.orders 400 rows
--> builds public.orders_status_idx

-- An index that is there already
CREATE INDEX IF NOT EXISTS orders_code_idx ON orders (code);
--> PostgreSQL 13, 15, 18
--> lock ShareLock public.orders

-- An index, concurrently
CREATE INDEX CONCURRENTLY orders_status_idx ON orders (status);
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders
--> builds public.orders_status_idx

-- A unique index that rows violate, concurrently
CREATE UNIQUE INDEX CONCURRENTLY orders_status_key ON orders (status);
--> PostgreSQL 13, 15, 18
--> fails 23505

-- An index, concurrently within a transaction
--: one transaction
CREATE INDEX CONCURRENTLY orders_status_idx ON orders (status);
--> PostgreSQL 13, 15, 18
--> fails 25001

-- An index on a materialized view
CREATE INDEX totals_total_idx ON totals (total);
--> PostgreSQL 13, 15, 18
--> lock ShareLock public.totals
--> reads public.totals 200 rows
--> builds public.totals_total_idx

-- An index on a partitioned table
CREATE INDEX events_kind_idx ON events (kind);
--> PostgreSQL 13, 15, 18
--> lock ShareLock public.events and 2 partitions
--> reads public.events_2024 365 rows
--> reads public.events_2025 135 rows
--> builds public.events_kind_idx

-- An index on a partitioned table alone
CREATE INDEX events_kind_idx ON ONLY events (kind);
--> PostgreSQL 13, 15, 18
--> lock ShareLock public.events

-- An index on a partitioned table, concurrently
CREATE INDEX CONCURRENTLY events_kind_idx ON events (kind);
--> PostgreSQL 13, 15, 18
--> fails 0A000

-- Attaching the index of a partition
--: CREATE INDEX events_kind_idx ON ONLY events (kind); CREATE INDEX events_2024_kind_idx ON events_2024 (kind);
ALTER INDEX events_kind_idx ATTACH PARTITION events_2024_kind_idx;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.events_2024_kind_idx
--> lock ShareUpdateExclusiveLock public.events_kind_idx
--> lock AccessShareLock public.events and 1 partition

-- Dropping an index
DROP INDEX orders_code_idx;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx

-- Dropping an index, concurrently
DROP INDEX CONCURRENTLY orders_code_idx;
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders
--> lock ShareUpdateExclusiveLock public.orders_code_idx

-- Dropping an index that a constraint owns
DROP INDEX orders_pkey;
--> PostgreSQL 13, 15, 18
--> fails 2BP01

-- Building an index again
REINDEX INDEX orders_code_idx;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders_code_idx
--> lock ShareLock public.orders
--> reads public.orders 400 rows
--> builds public.orders_code_idx

-- Building an index again, concurrently
REINDEX INDEX CONCURRENTLY orders_code_idx;
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders
--> lock ShareUpdateExclusiveLock public.orders_code_idx
--> lock RowExclusiveLock public.orders_code_idx
--> builds public.orders_code_idx

-- Building all indexes of a table again
REINDEX TABLE orders;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> reads public.orders 400 rows
--> builds public.orders_code_idx
--> builds public.orders_customer_id_idx
--> builds public.orders_pkey

-- Building all indexes of a table again, concurrently
REINDEX TABLE CONCURRENTLY orders;
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders
--> lock ShareUpdateExclusiveLock public.orders_code_idx
--> lock ShareUpdateExclusiveLock public.orders_customer_id_idx
--> lock ShareUpdateExclusiveLock public.orders_pkey
--> lock RowExclusiveLock public.orders_code_idx
--> lock RowExclusiveLock public.orders_customer_id_idx
--> lock RowExclusiveLock public.orders_pkey
--> builds public.orders_code_idx
--> builds public.orders_customer_id_idx
--> builds public.orders_pkey

-- Building all indexes of a schema again
--: CREATE TABLE attic.crates (id int PRIMARY KEY); INSERT INTO attic.crates SELECT generate_series(1, 30);
REINDEX SCHEMA attic;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock attic.crates_pkey
--> lock ShareLock attic.crates
--> builds attic.crates_pkey

-- Building all indexes of a schema again, concurrently
--: CREATE TABLE attic.crates (id int PRIMARY KEY); INSERT INTO attic.crates SELECT generate_series(1, 30);
REINDEX SCHEMA CONCURRENTLY attic;
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock attic.crates
--> lock ShareUpdateExclusiveLock attic.crates_pkey
--> lock RowExclusiveLock attic.crates_pkey
--> builds attic.crates_pkey

-- Renaming an index
ALTER INDEX orders_code_idx RENAME TO orders_by_code;
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders_code_idx

-- Storage parameters of an index
ALTER INDEX orders_code_idx SET (fillfactor = 70);
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders_code_idx

-- Statistics target of an index on an expression
--: CREATE INDEX orders_lower_idx ON orders (lower(status));
ALTER INDEX orders_lower_idx ALTER COLUMN 1 SET STATISTICS 500;
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders_lower_idx
