SET lock_timeout = 0;
ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey;
