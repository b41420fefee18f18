-- expect: applies yes, blocks yes, slower no, undoable yes
-- find: lock/full-scan, lock/table-rewrite, schema/client-breaking
-- Carriers have two letters.
SET lock_timeout = '5s';
ALTER TABLE flights ALTER COLUMN carrier TYPE varchar(2);
