-- expect: applies yes, blocks no, slower no, undoable with_backup
-- find: data/destroyed
BEGIN;
CREATE TABLE appearances_archive (LIKE appearances INCLUDING DEFAULTS);
INSERT INTO appearances_archive SELECT * FROM appearances WHERE "yearID" < 1900;
DELETE FROM appearances WHERE "yearID" < 1900;
COMMIT;
