-- expect: applies yes, blocks briefly, slower yes, undoable yes
-- find: plan/query-broken, schema/client-breaking
SET lock_timeout = '5s';
ALTER TABLE flights RENAME COLUMN tailnum TO tail_number;
