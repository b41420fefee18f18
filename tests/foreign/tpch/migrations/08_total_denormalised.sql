-- expect: applies yes, blocks briefly, slower no, undoable yes
-- find: lock/large-update
SET lock_timeout = '5s';
ALTER TABLE customer ADD COLUMN orders_total numeric(15, 2);
UPDATE customer c SET orders_total = o.total
FROM (SELECT o_custkey, sum(o_totalprice) AS total FROM orders GROUP BY o_custkey) o
WHERE o.o_custkey = c.c_custkey;
