-- expect: applies yes, blocks yes, slower no, undoable with_backup
-- find: data/destroyed, lock/index-build
-- Each player once for each school: the first year counts.
BEGIN;
SET LOCAL lock_timeout = '5s';
DELETE FROM college_playing a USING college_playing b
WHERE a."playerID" = b."playerID" AND a."schoolID" = b."schoolID" AND a.id > b.id;
CREATE UNIQUE INDEX college_playing_once ON college_playing ("playerID", "schoolID");
DROP INDEX college_playing_player_idx;
COMMIT;
