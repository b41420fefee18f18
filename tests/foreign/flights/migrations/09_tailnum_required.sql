-- expect: applies no, blocks no, slower no, undoable yes
-- find: apply/failed, apply/violating-rows
SET lock_timeout = '5s';
ALTER TABLE flights ALTER COLUMN tailnum SET NOT NULL;
