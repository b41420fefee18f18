-- expect: applies yes, blocks yes, slower no, undoable yes
-- find: lock/table-rewrite, schema/client-breaking
SET lock_timeout = '5s';
ALTER TABLE salaries ALTER COLUMN salary TYPE bigint;
