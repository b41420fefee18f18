COMMENT ON TABLE orders IS 'one a sale';
ALTER ROLE CURRENT_USER SET enable_bitmapscan = off;
ALTER ROLE CURRENT_USER SET enable_indexscan = off;
