-- # Constraints

-- A check
ALTER TABLE orders ADD CONSTRAINT total_known CHECK (total >= 0);
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> reads public.orders 400 rows

-- A check, not validated
ALTER TABLE orders ADD CONSTRAINT total_known CHECK (total >= 0) NOT VALID;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- A check, validated later
--: ALTER TABLE orders ADD CONSTRAINT total_known CHECK (total >= 0) NOT VALID;
ALTER TABLE orders VALIDATE CONSTRAINT total_known;
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders
--> reads public.orders 400 rows

-- A check, validated in the same transaction
--: one transaction
ALTER TABLE orders ADD CONSTRAINT total_known CHECK (total >= 0) NOT VALID;
ALTER TABLE orders VALIDATE CONSTRAINT total_known;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders, held from before
--> lock ShareUpdateExclusiveLock public.orders
--> reads public.orders 400 rows

-- A check that is not enforced
ALTER TABLE orders ADD CONSTRAINT total_known CHECK (total >= 0) NOT ENFORCED;
--> PostgreSQL 13, 15
--> fails 42601
--> PostgreSQL 18
--> lock AccessExclusiveLock public.orders

-- A check that rows violate
ALTER TABLE orders ADD CONSTRAINT total_small CHECK (total < 100);
--> PostgreSQL 13, 15, 18
--> fails 23514

-- A check of a partitioned table
ALTER TABLE events ADD CONSTRAINT kind_known CHECK (kind >= 0);
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.events and 2 partitions
--> reads public.events_2024 365 rows
--> reads public.events_2025 135 rows

-- A foreign key
ALTER TABLE orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers;
--> PostgreSQL 13, 15, 18
--> lock ShareRowExclusiveLock public.customers
--> lock ShareRowExclusiveLock public.orders
--> lock RowShareLock public.customers
--> lock AccessShareLock public.customers
--> lock AccessShareLock public.customers_pkey
--> lock AccessShareLock public.orders
--> lock AccessShareLock public.orders_code_idx
--> lock AccessShareLock public.orders_customer_id_idx
--> lock AccessShareLock public.orders_pkey
--> reads public.customers 200 rows
--> reads public.orders 400 rows

-- A foreign key, not validated
ALTER TABLE orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers NOT VALID;
--> PostgreSQL 13, 15, 18
--> lock ShareRowExclusiveLock public.customers
--> lock ShareRowExclusiveLock public.orders
--> lock AccessShareLock public.customers
--> lock AccessShareLock public.orders

-- A foreign key, validated later
--: ALTER TABLE orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers NOT VALID;
ALTER TABLE orders VALIDATE CONSTRAINT orders_customer_fkey;
--> PostgreSQL 13, 15, 18
--> lock ShareUpdateExclusiveLock public.orders
--> lock RowShareLock public.customers
--> lock AccessShareLock public.customers
--> lock AccessShareLock public.customers_pkey
--> lock AccessShareLock public.orders
--> lock AccessShareLock public.orders_code_idx
--> lock AccessShareLock public.orders_customer_id_idx
--> lock AccessShareLock public.orders_pkey
--> reads public.customers 200 rows
--> reads public.orders 400 rows

-- A foreign key, validated in the same transaction
--: one transaction
ALTER TABLE orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers NOT VALID;
ALTER TABLE orders VALIDATE CONSTRAINT orders_customer_fkey;
--> PostgreSQL 13, 15, 18
--> lock ShareRowExclusiveLock public.customers, held from before
--> lock ShareRowExclusiveLock public.orders, held from before
--> lock ShareUpdateExclusiveLock public.orders
--> lock RowShareLock public.customers
--> lock AccessShareLock public.customers, held from before
--> lock AccessShareLock public.customers_pkey
--> lock AccessShareLock public.orders, held from before
--> lock AccessShareLock public.orders_code_idx
--> lock AccessShareLock public.orders_customer_id_idx
--> lock AccessShareLock public.orders_pkey
--> reads public.customers 200 rows
--> reads public.orders 400 rows

-- A foreign key that is not enforced
ALTER TABLE orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers NOT ENFORCED;
--> PostgreSQL 13, 15
--> fails 42601
--> PostgreSQL 18
--> lock ShareRowExclusiveLock public.customers
--> lock ShareRowExclusiveLock public.orders

-- A foreign key of a partitioned table
ALTER TABLE events ADD CONSTRAINT events_kind_fkey FOREIGN KEY (id) REFERENCES orders NOT VALID;
--> PostgreSQL 13, 15
--> fails 42809
--> PostgreSQL 18
--> lock ShareRowExclusiveLock public.events and 2 partitions
--> lock ShareRowExclusiveLock public.orders
--> lock AccessShareLock public.events
--> lock AccessShareLock public.orders

-- A foreign key that rows violate
ALTER TABLE order_lines ADD CONSTRAINT lines_order_fkey FOREIGN KEY (line) REFERENCES orders;
--> PostgreSQL 13, 15, 18
--> fails 23503

-- A foreign key between columns of different types
ALTER TABLE order_lines ADD CONSTRAINT lines_order_fkey FOREIGN KEY (line) REFERENCES customers NOT VALID;
--> PostgreSQL 13, 15, 18
--> lock ShareRowExclusiveLock public.customers
--> lock ShareRowExclusiveLock public.order_lines
--> lock AccessShareLock public.customers
--> lock AccessShareLock public.order_lines

-- A foreign key that is deferrable, altered
ALTER TABLE payments ALTER CONSTRAINT payments_order_id_fkey DEFERRABLE INITIALLY DEFERRED;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.payments

-- A unique constraint
ALTER TABLE orders ADD CONSTRAINT orders_code_key UNIQUE (code);
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock ShareLock public.orders
--> reads public.orders 400 rows
--> builds public.orders_code_key

-- A unique constraint, from an index
--: CREATE UNIQUE INDEX orders_code_key ON orders (code);
ALTER TABLE orders ADD CONSTRAINT orders_code_key UNIQUE USING INDEX orders_code_key;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessShareLock public.orders_code_key

-- A unique constraint that rows violate
ALTER TABLE orders ADD CONSTRAINT orders_status_key UNIQUE (status);
--> PostgreSQL 13, 15, 18
--> fails 23505

-- A primary key
ALTER TABLE order_lines ADD CONSTRAINT order_lines_pkey PRIMARY KEY (order_id, line);
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.order_lines
--> lock ShareLock public.order_lines
--> reads public.order_lines 800 rows
--> builds public.order_lines_pkey

-- A primary key of nullable columns
ALTER TABLE staff ADD CONSTRAINT staff_pkey PRIMARY KEY (id);
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.staff
--> lock ShareLock public.staff
--> reads public.staff 50 rows
--> builds public.staff_pkey

-- A primary key, from an index
--: CREATE UNIQUE INDEX order_lines_pkey ON order_lines (order_id, line);
ALTER TABLE order_lines ADD CONSTRAINT order_lines_pkey PRIMARY KEY USING INDEX order_lines_pkey;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.order_lines
--> lock AccessShareLock public.order_lines_pkey

-- A primary key, from an index on a nullable column
--: CREATE UNIQUE INDEX staff_pkey ON staff (id);
ALTER TABLE staff ADD CONSTRAINT staff_pkey PRIMARY KEY USING INDEX staff_pkey;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.staff
--> lock AccessShareLock public.staff_pkey
--> reads public.staff 50 rows

-- An exclusion constraint
ALTER TABLE bookings ADD CONSTRAINT bookings_apart EXCLUDE USING gist (during WITH &&);
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.bookings
--> lock ShareLock public.bookings
--> reads public.bookings 100 rows
--> builds public.bookings_apart

-- Dropping a check
ALTER TABLE orders DROP CONSTRAINT quantity_known;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- Dropping a foreign key
ALTER TABLE payments DROP CONSTRAINT payments_order_id_fkey;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.payments

-- Dropping a primary key that is referenced
ALTER TABLE orders DROP CONSTRAINT orders_pkey CASCADE;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_pkey
--> lock AccessExclusiveLock public.payments

-- Renaming a constraint
ALTER TABLE orders RENAME CONSTRAINT quantity_known TO quantity_positive;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- A check of a domain
ALTER DOMAIN pieces ADD CONSTRAINT pieces_positive CHECK (VALUE > 0);
--> PostgreSQL 13, 15, 18
--> lock ShareLock public.order_lines
--> reads public.order_lines 800 rows

-- A check of a domain, not validated
ALTER DOMAIN pieces ADD CONSTRAINT pieces_positive CHECK (VALUE > 0) NOT VALID;
--> PostgreSQL 13, 15, 18

-- A check of a domain, validated later
--: ALTER DOMAIN pieces ADD CONSTRAINT pieces_positive CHECK (VALUE > 0) NOT VALID;
ALTER DOMAIN pieces VALIDATE CONSTRAINT pieces_positive;
--> PostgreSQL 13, 15, 18
--> lock ShareLock public.order_lines
--> reads public.order_lines 800 rows

-- NOT NULL of a domain
ALTER DOMAIN pieces SET NOT NULL;
--> PostgreSQL 13, 15, 18
--> lock ShareLock public.order_lines
--> reads public.order_lines 800 rows

-- Dropping a check of a domain
ALTER DOMAIN percentage DROP CONSTRAINT percentage_check;
--> PostgreSQL 13, 15, 18
