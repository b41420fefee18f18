-- expect: applies yes, blocks briefly, slower yes, undoable yes
-- find: index/dropped-in-use, plan/regressed
-- Old days are not asked for, somebody says.
CREATE INDEX CONCURRENTLY lineitem_recent_idx ON lineitem (l_shipdate) WHERE l_shipdate >= '1997-01-01';
SET lock_timeout = '5s';
DROP INDEX lineitem_shipdate_idx;
