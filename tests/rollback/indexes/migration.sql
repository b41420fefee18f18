DROP INDEX orders_customer_id_idx;
DROP INDEX orders_unique;
DROP INDEX orders_brin;
CREATE INDEX orders_status_idx ON orders (status);
CREATE UNIQUE INDEX orders_unique ON orders (id, status);
ALTER INDEX orders_fill SET (fillfactor = 50);
ALTER INDEX orders_old_name RENAME TO orders_new_name;
