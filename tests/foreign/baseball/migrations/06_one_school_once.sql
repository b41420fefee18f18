-- expect: applies no, blocks no, slower yes, undoable yes
-- find: apply/failed, apply/not-retryable, apply/violating-rows, index/invalid
CREATE UNIQUE INDEX CONCURRENTLY appearances_key ON appearances ("yearID", "teamID", "playerID", "GS");
CREATE UNIQUE INDEX CONCURRENTLY college_playing_once ON college_playing ("playerID", "schoolID");
