CREATE INDEX CONCURRENTLY orders_status_and_id_idx ON orders (status, id);
