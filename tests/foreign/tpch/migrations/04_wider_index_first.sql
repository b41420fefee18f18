-- expect: applies yes, blocks briefly, slower no, undoable yes
-- find:
-- The wider index takes the place of the narrow one.
CREATE INDEX CONCURRENTLY orders_orderdate_priority_idx ON orders (o_orderdate, o_orderpriority);
SET lock_timeout = '5s';
DROP INDEX orders_orderdate_idx;
