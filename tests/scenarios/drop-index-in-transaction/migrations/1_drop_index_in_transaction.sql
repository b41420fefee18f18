DROP INDEX orders_status_idx;
COMMENT ON COLUMN orders.status IS 'looked for less often than it was';
