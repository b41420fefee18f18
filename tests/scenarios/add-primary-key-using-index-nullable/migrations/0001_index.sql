CREATE UNIQUE INDEX CONCURRENTLY payments_key ON payments (id);
