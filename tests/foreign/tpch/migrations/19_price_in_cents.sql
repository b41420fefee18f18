-- expect: applies yes, blocks yes, slower no, undoable with_backup
-- find: data/narrowed, lock/table-rewrite, schema/client-breaking
SET lock_timeout = '5s';
ALTER TABLE part ALTER COLUMN p_retailprice TYPE bigint USING (p_retailprice * 100)::bigint;
