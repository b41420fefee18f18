-- expect: applies no, blocks no, slower no, undoable yes
-- find: apply/failed
SET lock_timeout = '5s';
ALTER TABLE people DROP COLUMN "nameGiven";
