-- expect: applies yes, blocks briefly, slower yes, undoable yes
-- find: index/dropped-in-use, index/duplicate, index/fk-unindexed, plan/regressed
-- The same two columns, the other way round.
CREATE INDEX CONCURRENTLY orders_orderdate_custkey_idx ON orders (o_orderdate, o_custkey);
SET lock_timeout = '5s';
DROP INDEX orders_custkey_orderdate_idx;
