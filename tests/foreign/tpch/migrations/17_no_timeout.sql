-- expect: applies yes, blocks briefly, slower no, undoable yes
-- find: lock/no-timeout
ALTER TABLE lineitem ADD COLUMN l_note text;
