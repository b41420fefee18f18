-- expect: applies yes, blocks briefly, slower transient, undoable yes
-- find: lock/large-update
SET lock_timeout = '5s';
ALTER TABLE flights ADD COLUMN cancelled boolean;
UPDATE flights SET cancelled = dep_time IS NULL;
