-- expect: applies yes, blocks briefly, slower yes, undoable yes
-- find: index/dropped-in-use, plan/regressed
-- One index for all of a year: the order of its second column is forgotten.
CREATE INDEX CONCURRENTLY batting_year_team_idx ON batting ("yearID", "teamID");
SET lock_timeout = '5s';
DROP INDEX batting_year_hr_idx;
