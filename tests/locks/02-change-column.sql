-- # Changing and dropping columns

-- int to bigint
ALTER TABLE orders ALTER COLUMN quantity TYPE bigint;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> rewrites public.orders
--> reads public.orders 400 rows

-- int to bigint where a view depends on the column
ALTER TABLE orders ALTER COLUMN id TYPE bigint;
--> PostgreSQL 13, 15, 18
--> fails 0A000

-- int to bigint of a referencing column
ALTER TABLE payments ALTER COLUMN order_id TYPE bigint;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.payments
--> lock AccessExclusiveLock public.payments_pkey
--> lock ShareRowExclusiveLock public.orders
--> lock ShareRowExclusiveLock public.payments
--> lock ShareLock public.payments
--> lock RowShareLock public.orders
--> lock AccessShareLock public.orders
--> lock AccessShareLock public.orders_code_idx
--> lock AccessShareLock public.orders_customer_id_idx
--> lock AccessShareLock public.orders_pkey
--> lock AccessShareLock public.payments
--> lock AccessShareLock public.payments_pkey
--> rewrites public.payments
--> reads public.orders 400 rows
--> reads public.payments 300 rows

-- varchar to a longer varchar
ALTER TABLE orders ALTER COLUMN code TYPE varchar(40);
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock ShareLock public.orders
--> lock AccessShareLock public.orders_code_idx

-- varchar to a shorter varchar
ALTER TABLE orders ALTER COLUMN code TYPE varchar(15);
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> rewrites public.orders
--> reads public.orders 400 rows

-- varchar to text
ALTER TABLE orders ALTER COLUMN code TYPE text;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock ShareLock public.orders
--> lock AccessShareLock public.orders_code_idx

-- text to varchar
ALTER TABLE orders ALTER COLUMN region TYPE varchar(60);
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> rewrites public.orders
--> reads public.orders 400 rows

-- int to numeric
ALTER TABLE orders ALTER COLUMN discount TYPE numeric(12, 2);
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> rewrites public.orders
--> reads public.orders 400 rows

-- numeric to a higher precision
--: ALTER TABLE orders ADD COLUMN fee numeric(10, 2) DEFAULT 1;
ALTER TABLE orders ALTER COLUMN fee TYPE numeric(12, 2);
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- numeric to a larger scale
--: ALTER TABLE orders ADD COLUMN fee numeric(10, 2) DEFAULT 1;
ALTER TABLE orders ALTER COLUMN fee TYPE numeric(12, 4);
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> rewrites public.orders
--> reads public.orders 400 rows

-- timestamp to timestamptz, in a session whose time zone is UTC
SET timezone = 'UTC';
ALTER TABLE orders ALTER COLUMN placed TYPE timestamptz;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- timestamp to timestamptz, in a session of another time zone
SET timezone = 'Europe/Berlin';
ALTER TABLE orders ALTER COLUMN placed TYPE timestamptz;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> rewrites public.orders
--> reads public.orders 400 rows

-- The same type, with USING
ALTER TABLE orders ALTER COLUMN region TYPE text USING region;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- The same type, with an expression
ALTER TABLE orders ALTER COLUMN region TYPE text USING upper(region);
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> rewrites public.orders
--> reads public.orders 400 rows

-- Another collation of an indexed column
ALTER TABLE orders ALTER COLUMN code TYPE varchar(20) COLLATE "C";
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock ShareLock public.orders
--> reads public.orders 400 rows
--> builds public.orders_code_idx

-- To a domain without a check
ALTER TABLE orders ALTER COLUMN discount TYPE pieces;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- To a domain with a check
ALTER TABLE orders ALTER COLUMN discount TYPE percentage;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> rewrites public.orders
--> reads public.orders 400 rows

-- A type of a column in a check
ALTER TABLE customers ALTER COLUMN email TYPE text;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.customers

-- A free type change of a column in a check
--: ALTER TABLE orders ADD CONSTRAINT code_known CHECK (code <> '');
ALTER TABLE orders ALTER COLUMN code TYPE varchar(40);
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock ShareLock public.orders
--> lock AccessShareLock public.orders_code_idx
--> reads public.orders 400 rows

-- NOT NULL
ALTER TABLE orders ALTER COLUMN discount SET NOT NULL;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> reads public.orders 400 rows

-- NOT NULL behind a valid check
--: ALTER TABLE orders ADD CONSTRAINT discount_known CHECK (discount IS NOT NULL);
ALTER TABLE orders ALTER COLUMN discount SET NOT NULL;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- NOT NULL behind a check that was not validated
--: ALTER TABLE orders ADD CONSTRAINT discount_known CHECK (discount IS NOT NULL) NOT VALID;
ALTER TABLE orders ALTER COLUMN discount SET NOT NULL;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> reads public.orders 400 rows

-- NOT NULL that drops its check in the same statement
--: ALTER TABLE orders ADD CONSTRAINT discount_known CHECK (discount IS NOT NULL);
ALTER TABLE orders ALTER COLUMN discount SET NOT NULL, DROP CONSTRAINT discount_known;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> reads public.orders 400 rows

-- NOT NULL on a column that has nulls
ALTER TABLE orders ALTER COLUMN region SET NOT NULL;
--> PostgreSQL 13, 15, 18
--> fails 23502

-- NOT NULL, not validated
ALTER TABLE orders ADD CONSTRAINT discount_there NOT NULL discount NOT VALID;
--> PostgreSQL 13, 15
--> fails 42601
--> PostgreSQL 18
--> lock AccessExclusiveLock public.orders

-- NOT NULL, validated later
--: from 18
--: ALTER TABLE orders ADD CONSTRAINT discount_there NOT NULL discount NOT VALID;
ALTER TABLE orders VALIDATE CONSTRAINT discount_there;
--> PostgreSQL 18
--> lock ShareUpdateExclusiveLock public.orders
--> reads public.orders 400 rows

-- NOT NULL of a partitioned table
ALTER TABLE events ALTER COLUMN kind SET NOT NULL;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.events and 2 partitions
--> reads public.events_2024 365 rows
--> reads public.events_2025 135 rows

-- Null again
ALTER TABLE orders ALTER COLUMN status DROP NOT NULL;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- Another default
ALTER TABLE orders ALTER COLUMN status SET DEFAULT 'new';
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- No default
ALTER TABLE orders ALTER COLUMN status DROP DEFAULT;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- An identity
ALTER TABLE orders ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessShareLock public.orders

-- Statistics target
ALTER TABLE orders ALTER COLUMN status SET STATISTICS 500;
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders

-- Options of a column
ALTER TABLE orders ALTER COLUMN status SET (n_distinct = 4);
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders

-- Storage of a column
ALTER TABLE orders ALTER COLUMN status SET STORAGE EXTERNAL;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- Compression of a column
ALTER TABLE orders ALTER COLUMN status SET COMPRESSION pglz;
--> PostgreSQL 13
--> fails 42601
--> PostgreSQL 15, 18
--> lock AccessExclusiveLock public.orders

-- Dropping a column
ALTER TABLE orders DROP COLUMN region;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- Dropping an indexed column
ALTER TABLE orders DROP COLUMN code;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx

-- Dropping a column that a view shows
ALTER TABLE orders DROP COLUMN total;
--> PostgreSQL 13, 15, 18
--> fails 2BP01

-- Several changes in one statement
ALTER TABLE orders ADD COLUMN memo text, ALTER COLUMN discount SET NOT NULL, ALTER COLUMN quantity TYPE bigint;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> rewrites public.orders
--> reads public.orders 400 rows
