ALTER TABLE orders DROP CONSTRAINT orders_amount_check;
ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey;
ALTER TABLE customers DROP CONSTRAINT customers_email_key;
ALTER TABLE orders ADD CONSTRAINT quantity_small CHECK (quantity < 100);
ALTER TABLE orders RENAME CONSTRAINT orders_note_check TO note_not_empty;
ALTER TABLE orders VALIDATE CONSTRAINT not_yet;
ALTER TABLE customers ADD CONSTRAINT email_name UNIQUE (email, name);
