-- expect: applies yes, blocks briefly, slower no, undoable yes
-- find:
SET lock_timeout = '5s';
ALTER TABLE flights ADD COLUMN status text NOT NULL DEFAULT 'scheduled';
