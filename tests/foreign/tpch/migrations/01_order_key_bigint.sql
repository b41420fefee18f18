-- expect: applies no, blocks no, slower no, undoable yes
-- find: apply/failed
-- A view stands in the way.
SET lock_timeout = '5s';
ALTER TABLE orders ALTER COLUMN o_orderkey TYPE bigint;
