-- expect: applies yes, blocks no, slower no, undoable yes
-- find:
-- Seven leagues: nobody looks for one.
DROP INDEX CONCURRENTLY pitching_league_idx;
