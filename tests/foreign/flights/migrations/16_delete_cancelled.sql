-- expect: applies yes, blocks no, slower no, undoable with_backup
-- find: data/destroyed, plan/emptied
SET lock_timeout = '5s';
DELETE FROM flights WHERE dep_time IS NULL;
