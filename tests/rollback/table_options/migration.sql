ALTER TABLE orders SET (fillfactor = 60, autovacuum_enabled = false); ALTER TABLE orders RESET (toast.autovacuum_enabled);
ALTER TABLE customers SET UNLOGGED; ALTER TABLE orders REPLICA IDENTITY FULL; ALTER TABLE orders ALTER COLUMN note SET STATISTICS 50;
ALTER TABLE customers ALTER COLUMN name SET STORAGE EXTERNAL; ALTER TABLE orders ALTER COLUMN quantity SET (n_distinct = 7);
ALTER TABLE orders CLUSTER ON orders_customer_id_idx; ALTER TABLE kept REPLICA IDENTITY DEFAULT;
ALTER TABLE orders ALTER COLUMN note SET COMPRESSION pglz;
