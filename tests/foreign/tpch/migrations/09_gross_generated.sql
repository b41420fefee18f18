-- expect: applies yes, blocks yes, slower no, undoable yes
-- find: lock/table-rewrite
SET lock_timeout = '5s';
ALTER TABLE orders ADD COLUMN o_gross numeric GENERATED ALWAYS AS (o_totalprice * 1.19) STORED;
