-- expect: applies yes, blocks yes, undoable with_backup
-- find: lock/table-rewrite, schema/client-breaking
SET lock_timeout = '5s';
SET timezone = 'UTC';
ALTER TABLE orders ALTER COLUMN o_orderdate TYPE timestamptz;
