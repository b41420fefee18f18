-- # Views, functions, types, sequences, rights

-- A view
CREATE VIEW late_orders AS SELECT id FROM orders WHERE placed < now();
--> PostgreSQL 13, 15, 18
--> lock AccessShareLock public.orders

-- Another definition of a view
CREATE OR REPLACE VIEW open_orders AS SELECT id, customer_id, total, status FROM orders WHERE status = 'status 2';
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.open_orders
--> lock AccessShareLock public.orders

-- Dropping a view
DROP VIEW open_orders;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.open_orders

-- Renaming a view
ALTER VIEW open_orders RENAME TO orders_to_do;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.open_orders

-- A materialized view
CREATE MATERIALIZED VIEW statuses AS SELECT status, count(*) FROM orders GROUP BY status;
--> PostgreSQL 13, 15, 18
--> lock AccessShareLock public.orders
--> lock AccessShareLock public.orders_code_idx
--> lock AccessShareLock public.orders_customer_id_idx
--> lock AccessShareLock public.orders_pkey
--> reads public.orders 400 rows

-- Filling a materialized view again
REFRESH MATERIALIZED VIEW totals;
--> PostgreSQL 13, 15
--> lock AccessExclusiveLock public.totals
--> lock AccessExclusiveLock public.totals_customer_id_idx
--> lock ExclusiveLock public.totals
--> lock ShareLock public.totals
--> lock AccessShareLock public.orders
--> lock AccessShareLock public.orders_code_idx
--> lock AccessShareLock public.orders_customer_id_idx
--> lock AccessShareLock public.orders_pkey
--> lock AccessShareLock public.totals
--> rewrites public.totals
--> reads public.orders 400 rows
--> reads public.totals 200 rows
--> PostgreSQL 18
--> lock AccessExclusiveLock public.totals
--> lock AccessExclusiveLock public.totals_customer_id_idx
--> lock ExclusiveLock public.totals
--> lock ShareLock public.totals
--> lock AccessShareLock public.orders
--> lock AccessShareLock public.orders_code_idx
--> lock AccessShareLock public.orders_customer_id_idx
--> lock AccessShareLock public.orders_pkey
--> rewrites public.totals
--> reads public.orders 400 rows
--> reads public.totals 200 rows

-- Filling a materialized view again, concurrently
REFRESH MATERIALIZED VIEW CONCURRENTLY totals;
--> PostgreSQL 13, 15, 18
--> lock ExclusiveLock public.totals
--> lock RowExclusiveLock public.totals
--> lock RowExclusiveLock public.totals_customer_id_idx
--> lock AccessShareLock public.orders
--> lock AccessShareLock public.orders_code_idx
--> lock AccessShareLock public.orders_customer_id_idx
--> lock AccessShareLock public.orders_pkey
--> lock AccessShareLock public.totals
--> lock AccessShareLock public.totals_customer_id_idx
--> reads public.orders 400 rows
--> reads public.totals 200 rows

-- Another definition of a function
CREATE OR REPLACE FUNCTION vat(amount numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT amount * 1.25';
--> PostgreSQL 13, 15, 18

-- A trigger
CREATE TRIGGER orders_check BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION touch();
--> PostgreSQL 13, 15, 18
--> lock ShareRowExclusiveLock public.orders

-- Disabling a trigger
ALTER TABLE orders DISABLE TRIGGER orders_touch;
--> PostgreSQL 13, 15, 18
--> lock ShareRowExclusiveLock public.orders

-- Enabling a trigger
ALTER TABLE orders ENABLE TRIGGER orders_touch;
--> PostgreSQL 13, 15, 18
--> lock ShareRowExclusiveLock public.orders

-- Renaming a trigger
ALTER TRIGGER orders_touch ON orders RENAME TO orders_touched;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- Dropping a trigger
DROP TRIGGER orders_touch ON orders;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessShareLock public.orders

-- Row security
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- No row security
ALTER TABLE orders DISABLE ROW LEVEL SECURITY;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- A policy
CREATE POLICY mine ON orders USING (region = current_user);
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- Dropping a policy
--: CREATE POLICY mine ON orders USING (region = current_user);
DROP POLICY mine ON orders;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessShareLock public.orders

-- A rule
CREATE RULE no_delete AS ON DELETE TO orders DO INSTEAD NOTHING;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- A value of an enumeration
ALTER TYPE mood ADD VALUE 'sad';
--> PostgreSQL 13, 15, 18

-- Another name for a value of an enumeration
ALTER TYPE mood RENAME VALUE 'calm' TO 'quiet';
--> PostgreSQL 13, 15, 18

-- A domain
CREATE DOMAIN weight AS int CHECK (VALUE > 0);
--> PostgreSQL 13, 15, 18

-- A sequence
CREATE SEQUENCE receipt_number;
--> PostgreSQL 13, 15, 18

-- A sequence that starts anew
ALTER SEQUENCE payments_id_seq RESTART;
--> PostgreSQL 13, 15, 18
--> lock ShareRowExclusiveLock public.payments_id_seq
--> lock RowExclusiveLock public.payments_id_seq

-- A sequence with another step
ALTER SEQUENCE payments_id_seq INCREMENT BY 10;
--> PostgreSQL 13, 15, 18
--> lock ShareRowExclusiveLock public.payments_id_seq
--> lock RowExclusiveLock public.payments_id_seq

-- A sequence that belongs to a column
ALTER SEQUENCE invoice_number OWNED BY orders.id;
--> PostgreSQL 13, 15, 18
--> lock ShareRowExclusiveLock public.invoice_number
--> lock RowExclusiveLock public.invoice_number
--> lock AccessShareLock public.orders

-- A sequence with a larger type
ALTER SEQUENCE payments_id_seq AS bigint;
--> PostgreSQL 13, 15, 18
--> lock ShareRowExclusiveLock public.payments_id_seq
--> lock RowExclusiveLock public.payments_id_seq

-- Dropping a sequence
DROP SEQUENCE invoice_number;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.invoice_number

-- A right
GRANT SELECT ON orders TO reader;
--> PostgreSQL 13, 15
--> PostgreSQL 18
--> lock AccessShareLock public.orders

-- A right taken back
--: GRANT SELECT ON orders TO reader;
REVOKE SELECT ON orders FROM reader;
--> PostgreSQL 13, 15
--> PostgreSQL 18
--> lock AccessShareLock public.orders

-- Renaming a schema
ALTER SCHEMA attic RENAME TO cellar;
--> PostgreSQL 13, 15, 18

-- Renaming a type
ALTER TYPE mood RENAME TO moods;
--> PostgreSQL 13, 15, 18
