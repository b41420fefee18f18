-- expect: applies yes, blocks briefly, slower no, undoable yes
-- find:
BEGIN;
SET LOCAL lock_timeout = '5s';
ALTER TABLE teams_franchises ADD COLUMN deleted_at timestamp with time zone;
UPDATE teams_franchises SET deleted_at = '2021-03-01 00:00+00' WHERE active = 'NA';
CREATE VIEW current_franchises AS SELECT "franchID", "franchName" FROM teams_franchises WHERE deleted_at IS NULL;
COMMIT;
