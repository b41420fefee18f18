-- expect: applies yes, blocks briefly, slower no, undoable yes
-- find:
SET lock_timeout = '5s';
ALTER TABLE customer ALTER COLUMN c_comment DROP NOT NULL;
