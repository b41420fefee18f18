-- The index was never made.
ALTER TABLE orders DROP COLUMN source;
DROP INDEX orders_source_idx;
