-- expect: applies yes, blocks yes, slower no, undoable yes
-- find: lock/table-rewrite
SET lock_timeout = '5s';
ALTER TABLE salaries SET UNLOGGED;
