CREATE INDEX orders_status_id_idx ON orders (status, id);
DROP INDEX orders_status_idx;
DROP INDEX orders_status_id_idx;
