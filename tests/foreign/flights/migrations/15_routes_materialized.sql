-- expect: applies yes, blocks briefly, slower no, undoable yes
-- find:
-- The same rows, counted once a night.
SET lock_timeout = '5s';
BEGIN;
DROP VIEW busiest_routes;
CREATE MATERIALIZED VIEW busiest_routes AS
    SELECT origin, dest, count(*) AS flights FROM flights GROUP BY origin, dest;
COMMIT;
