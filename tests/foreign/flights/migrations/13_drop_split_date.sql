-- expect: applies yes, blocks briefly, slower no, undoable with_backup
-- find: data/destroyed, schema/client-breaking
-- time_hour says it all.
SET lock_timeout = '5s';
ALTER TABLE flights DROP COLUMN year, DROP COLUMN month, DROP COLUMN day;
