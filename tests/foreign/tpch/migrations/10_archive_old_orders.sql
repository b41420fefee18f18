-- expect: applies yes, blocks no, undoable with_backup
-- find: data/destroyed, lock/large-update
-- The first week of the oldest year goes to a table of its own.
BEGIN;
SET LOCAL lock_timeout = '5s';
CREATE TABLE orders_archive AS SELECT * FROM orders WHERE o_orderdate < '1992-01-08';
DELETE FROM orders WHERE o_orderdate < '1992-01-08';
COMMIT;
