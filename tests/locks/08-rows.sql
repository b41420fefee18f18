-- # Rows, explicit locks, blocks of code

-- Adding rows
INSERT INTO staff SELECT g, 'name' FROM generate_series(51, 60) g;
--> PostgreSQL 13, 15, 18
--> lock RowExclusiveLock public.staff
--> inserts into public.staff 10 rows

-- Changing all rows
UPDATE orders SET region = 'north';
--> PostgreSQL 13, 15, 18
--> lock RowExclusiveLock public.orders
--> lock RowExclusiveLock public.orders_code_idx
--> lock RowExclusiveLock public.orders_customer_id_idx
--> lock RowExclusiveLock public.orders_pkey
--> reads public.orders 400 rows
--> changes public.orders 400 rows

-- Changing a few rows by their key
UPDATE orders SET region = 'north' WHERE id < 5;
--> PostgreSQL 13, 15, 18
--> lock RowExclusiveLock public.orders
--> lock RowExclusiveLock public.orders_code_idx
--> lock RowExclusiveLock public.orders_customer_id_idx
--> lock RowExclusiveLock public.orders_pkey
--> changes public.orders 4 rows

-- Deleting rows
DELETE FROM order_lines WHERE order_id = 7;
--> PostgreSQL 13, 15, 18
--> lock RowExclusiveLock public.order_lines
--> reads public.order_lines 800 rows
--> changes public.order_lines 2 rows
--> deletes from public.order_lines 2 rows

-- Deleting rows that others reference
DELETE FROM orders WHERE id > 395;
--> PostgreSQL 13, 15, 18
--> lock RowExclusiveLock public.orders
--> lock RowExclusiveLock public.orders_code_idx
--> lock RowExclusiveLock public.orders_customer_id_idx
--> lock RowExclusiveLock public.orders_pkey
--> lock RowShareLock public.orders
--> lock RowShareLock public.orders_code_idx
--> lock RowShareLock public.orders_customer_id_idx
--> lock RowShareLock public.orders_pkey
--> lock RowShareLock public.payments
--> lock RowShareLock public.payments_pkey
--> reads public.payments 300 rows
--> changes public.orders 5 rows
--> deletes from public.orders 5 rows

-- Reading rows
SELECT count(*) FROM orders;
--> PostgreSQL 13, 15, 18
--> lock AccessShareLock public.orders
--> lock AccessShareLock public.orders_code_idx
--> lock AccessShareLock public.orders_customer_id_idx
--> lock AccessShareLock public.orders_pkey
--> reads public.orders 400 rows

-- Reading rows that are to be changed
SELECT id FROM orders WHERE id < 5 FOR UPDATE;
--> PostgreSQL 13, 15, 18
--> lock RowShareLock public.orders
--> lock RowShareLock public.orders_code_idx
--> lock RowShareLock public.orders_customer_id_idx
--> lock RowShareLock public.orders_pkey

-- ACCESS SHARE
--: one transaction
LOCK TABLE orders IN ACCESS SHARE MODE;
--> PostgreSQL 13, 15, 18
--> lock AccessShareLock public.orders

-- ROW SHARE
--: one transaction
LOCK TABLE orders IN ROW SHARE MODE;
--> PostgreSQL 13, 15, 18
--> lock RowShareLock public.orders

-- ROW EXCLUSIVE
--: one transaction
LOCK TABLE orders IN ROW EXCLUSIVE MODE;
--> PostgreSQL 13, 15, 18
--> lock RowExclusiveLock public.orders

-- SHARE UPDATE EXCLUSIVE
--: one transaction
LOCK TABLE orders IN SHARE UPDATE EXCLUSIVE MODE;
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders

-- SHARE
--: one transaction
LOCK TABLE orders IN SHARE MODE;
--> PostgreSQL 13, 15, 18
--> lock ShareLock public.orders

-- SHARE ROW EXCLUSIVE
--: one transaction
LOCK TABLE orders IN SHARE ROW EXCLUSIVE MODE;
--> PostgreSQL 13, 15, 18
--> lock ShareRowExclusiveLock public.orders

-- EXCLUSIVE
--: one transaction
LOCK TABLE orders IN EXCLUSIVE MODE;
--> PostgreSQL 13, 15, 18
--> lock ExclusiveLock public.orders

-- ACCESS EXCLUSIVE
--: one transaction
LOCK TABLE orders IN ACCESS EXCLUSIVE MODE;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- LOCK TABLE outside a transaction
LOCK TABLE orders IN ACCESS EXCLUSIVE MODE;
--> PostgreSQL 13, 15, 18
--> fails 25P01

-- A column, then all rows, in one transaction
--: one transaction
ALTER TABLE orders ADD COLUMN memo text;
UPDATE orders SET memo = 'none';
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders, held from before
--> lock RowExclusiveLock public.orders
--> lock RowExclusiveLock public.orders_code_idx
--> lock RowExclusiveLock public.orders_customer_id_idx
--> lock RowExclusiveLock public.orders_pkey
--> reads public.orders 400 rows
--> changes public.orders 400 rows

-- A change of the schema in a block of code
DO $$ BEGIN ALTER TABLE orders ADD COLUMN lucky float8 DEFAULT random(); END $$;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> rewrites public.orders
--> reads public.orders 400 rows

-- A change of the schema in a block of code, text put together
DO $$ BEGIN EXECUTE format('ALTER TABLE %I ALTER COLUMN discount SET NOT NULL', 'orders'); END $$;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> reads public.orders 400 rows

-- A change of the schema in a block of code that is taken back
DO $$ BEGIN
    BEGIN ALTER TABLE orders ALTER COLUMN discount SET NOT NULL; RAISE EXCEPTION 'no'; EXCEPTION WHEN OTHERS THEN NULL; END;
    UPDATE staff SET name = 'name';
END $$;
--> PostgreSQL 13, 15, 18
--> lock RowExclusiveLock public.staff
--> reads public.orders 400 rows
--> reads public.staff 50 rows
--> changes public.staff 50 rows

-- Batches in a block of code, each committed
DO $$ BEGIN
    FOR n IN 0..3 LOOP UPDATE orders SET region = 'north' WHERE id BETWEEN n * 100 + 1 AND n * 100 + 100; COMMIT; END LOOP;
END $$;
--> PostgreSQL 13, 15, 18
--> lock RowExclusiveLock public.orders
--> lock RowExclusiveLock public.orders_code_idx
--> lock RowExclusiveLock public.orders_customer_id_idx
--> lock RowExclusiveLock public.orders_pkey
--> reads public.orders 400 rows
--> changes public.orders 400 rows
--> commits on its way

-- Rows changed in a block of code
DO $$ BEGIN UPDATE staff SET name = 'name'; END $$;
--> PostgreSQL 13, 15, 18
--> lock RowExclusiveLock public.staff
--> reads public.staff 50 rows
--> changes public.staff 50 rows

-- A procedure that commits on its way
--: CREATE PROCEDURE tidy() LANGUAGE plpgsql AS 'BEGIN DELETE FROM order_lines WHERE order_id < 10; COMMIT; UPDATE staff SET name = ''x''; END';
CALL tidy();
--> PostgreSQL 13, 15, 18
--> lock RowExclusiveLock public.order_lines
--> lock RowExclusiveLock public.staff
--> reads public.order_lines 800 rows
--> reads public.staff 50 rows
--> changes public.order_lines 18 rows
--> changes public.staff 50 rows
--> deletes from public.order_lines 18 rows
--> commits on its way

-- A function that changes the schema
--: CREATE FUNCTION widen() RETURNS void LANGUAGE plpgsql AS 'BEGIN ALTER TABLE orders ALTER COLUMN quantity TYPE bigint; END';
SELECT widen();
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> rewrites public.orders
--> reads public.orders 400 rows
