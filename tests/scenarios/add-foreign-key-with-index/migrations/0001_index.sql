CREATE INDEX CONCURRENTLY payments_customer_id_idx ON payments (customer_id);
