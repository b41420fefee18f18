DROP INDEX CONCURRENTLY orders_shipped_at_idx;
