ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey;
DELETE FROM customers WHERE id > 40;
