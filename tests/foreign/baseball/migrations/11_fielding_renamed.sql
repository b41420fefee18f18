-- expect: applies yes, blocks briefly, slower no, undoable yes
-- find:
-- A better name; the old one stays as a view until everybody has moved.
BEGIN;
SET LOCAL lock_timeout = '5s';
ALTER TABLE awards_players RENAME TO awards;
CREATE VIEW awards_players AS SELECT * FROM awards;
COMMIT;
