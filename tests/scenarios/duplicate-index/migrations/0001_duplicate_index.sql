CREATE INDEX CONCURRENTLY orders_status_again_idx ON orders (status);
