-- expect: applies yes, blocks briefly, slower no, undoable yes
-- find:
BEGIN;
SET LOCAL lock_timeout = '5s';
ALTER TABLE awards_players DROP CONSTRAINT awards_players_player_fkey;
ALTER TABLE awards_players ADD CONSTRAINT awards_players_player_fkey FOREIGN KEY ("playerID") REFERENCES people ON DELETE RESTRICT;
COMMIT;
