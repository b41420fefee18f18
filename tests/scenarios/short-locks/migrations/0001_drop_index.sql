DROP INDEX orders_shipped_at_idx;
