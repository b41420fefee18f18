ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey;
ALTER TABLE orders SET (fillfactor = 90, toast.autovacuum_enabled = false);
CREATE TABLE kept (id int NOT NULL, v text); CREATE UNIQUE INDEX kept_id ON kept (id); ALTER TABLE kept REPLICA IDENTITY USING INDEX kept_id;
