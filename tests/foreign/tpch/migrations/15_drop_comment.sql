-- expect: applies yes, blocks briefly, slower no, undoable with_backup
-- find: data/destroyed, schema/client-breaking
SET lock_timeout = '5s';
ALTER TABLE partsupp DROP COLUMN ps_comment;
