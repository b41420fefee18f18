-- expect: applies yes, blocks yes, slower no, undoable with_backup
-- find: lock/held-long, lock/table-rewrite
-- Carriers have two letters.
SET lock_timeout = '5s';
ALTER TABLE flights ALTER COLUMN carrier TYPE varchar(2);
