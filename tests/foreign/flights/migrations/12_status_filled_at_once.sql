-- expect: applies yes, blocks briefly, slower no, undoable yes
-- find: lock/large-update
SET lock_timeout = '5s';
ALTER TABLE flights ADD COLUMN cancelled boolean;
UPDATE flights SET cancelled = dep_time IS NULL;
