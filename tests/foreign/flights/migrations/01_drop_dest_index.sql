-- expect: applies yes, blocks briefly, slower yes, undoable yes
-- find: index/dropped-in-use, plan/regressed
-- Nobody seems to use it.
SET lock_timeout = '5s';
DROP INDEX flights_dest_time_hour_idx;
