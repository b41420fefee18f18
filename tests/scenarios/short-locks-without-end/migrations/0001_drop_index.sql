SET lock_timeout = 0;
DROP INDEX orders_shipped_at_idx;
