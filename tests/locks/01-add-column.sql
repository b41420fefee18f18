-- # Adding columns

-- A column without a default
ALTER TABLE orders ADD COLUMN memo text;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- A column with a constant default
ALTER TABLE orders ADD COLUMN memo text NOT NULL DEFAULT 'none';
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- A column with a stable default
ALTER TABLE orders ADD COLUMN seen timestamptz NOT NULL DEFAULT now();
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- A column with a volatile default
ALTER TABLE orders ADD COLUMN lucky float8 NOT NULL DEFAULT random();
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> rewrites public.orders
--> reads public.orders 400 rows

-- A serial column
ALTER TABLE orders ADD COLUMN number serial;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> lock AccessShareLock public.orders
--> rewrites public.orders
--> reads public.orders 400 rows

-- An identity column
ALTER TABLE orders ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> lock AccessShareLock public.orders
--> rewrites public.orders
--> reads public.orders 400 rows

-- A stored generated column
ALTER TABLE orders ADD COLUMN gross numeric GENERATED ALWAYS AS (total * 1.2) STORED;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> rewrites public.orders
--> reads public.orders 400 rows

-- A virtual generated column
ALTER TABLE orders ADD COLUMN gross numeric GENERATED ALWAYS AS (total * 1.2) VIRTUAL;
--> PostgreSQL 13, 15
--> fails 42601
--> PostgreSQL 18
--> lock AccessExclusiveLock public.orders

-- A column of a domain with a check
ALTER TABLE orders ADD COLUMN share percentage;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> rewrites public.orders
--> reads public.orders 400 rows

-- A column of a domain with a check, with a default
ALTER TABLE orders ADD COLUMN share percentage DEFAULT 10;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock AccessExclusiveLock public.orders_code_idx
--> lock AccessExclusiveLock public.orders_customer_id_idx
--> lock AccessExclusiveLock public.orders_pkey
--> lock ShareLock public.orders
--> rewrites public.orders
--> reads public.orders 400 rows

-- A column of a domain without a check
ALTER TABLE orders ADD COLUMN extra pieces;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- A column with a check of its own
ALTER TABLE orders ADD COLUMN weight int CHECK (weight > 0);
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> reads public.orders 400 rows

-- A column with a default and a check of its own
ALTER TABLE orders ADD COLUMN weight int NOT NULL DEFAULT 1 CHECK (weight > 0);
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> reads public.orders 400 rows

-- A column that references another table
ALTER TABLE orders ADD COLUMN payer_id bigint REFERENCES customers;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock ShareRowExclusiveLock public.customers
--> lock ShareRowExclusiveLock public.orders
--> lock AccessShareLock public.customers
--> lock AccessShareLock public.orders

-- A column with a default that references another table
ALTER TABLE orders ADD COLUMN payer_id bigint DEFAULT 1 REFERENCES customers;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
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

-- A unique column
ALTER TABLE orders ADD COLUMN slug text UNIQUE;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders
--> lock ShareLock public.orders
--> reads public.orders 400 rows
--> builds public.orders_slug_key

-- A column that is a primary key
ALTER TABLE staff ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.staff
--> lock ShareLock public.staff
--> lock AccessShareLock public.staff
--> rewrites public.staff
--> reads public.staff 50 rows

-- A required column without a default
ALTER TABLE orders ADD COLUMN memo text NOT NULL;
--> PostgreSQL 13, 15, 18
--> fails 23502

-- A required column without a default, to an empty table
ALTER TABLE people ADD COLUMN memo text NOT NULL;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.people
--> reads public.people 0 rows

-- A column that may be there already
ALTER TABLE orders ADD COLUMN IF NOT EXISTS region text;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.orders

-- A column of a partitioned table
ALTER TABLE events ADD COLUMN memo text;
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.events and 2 partitions

-- A column with a volatile default, of a partitioned table
ALTER TABLE events ADD COLUMN lucky float8 DEFAULT random();
--> PostgreSQL 13, 15, 18
--> lock AccessExclusiveLock public.events and 2 partitions
--> lock ShareLock public.events, 2 partitions alone
--> rewrites public.events_2024
--> rewrites public.events_2025
--> reads public.events_2024 365 rows
--> reads public.events_2025 135 rows
