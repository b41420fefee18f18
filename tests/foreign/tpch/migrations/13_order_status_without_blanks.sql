-- expect: applies yes, blocks yes, slower no, undoable yes
-- find: lock/table-rewrite
-- char(1) is a trap.
SET lock_timeout = '5s';
ALTER TABLE lineitem ALTER COLUMN l_returnflag TYPE text;
