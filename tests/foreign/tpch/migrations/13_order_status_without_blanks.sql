-- expect: applies yes, blocks yes, slower no, undoable with_backup
-- find: lock/table-rewrite, schema/client-breaking
-- char(1) is a trap.
SET lock_timeout = '5s';
ALTER TABLE lineitem ALTER COLUMN l_returnflag TYPE text;
