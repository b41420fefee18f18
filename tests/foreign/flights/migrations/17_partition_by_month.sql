-- expect: applies yes, blocks yes, slower yes, undoable with_backup
-- find: lock/held-long, plan/regressed
-- Swaps in a partitioned table under the old name; the index on the plane is forgotten.
BEGIN;
SET LOCAL lock_timeout = '5s';
ALTER TABLE flights RENAME TO flights_old;
CREATE TABLE flights (LIKE flights_old INCLUDING DEFAULTS INCLUDING IDENTITY) PARTITION BY RANGE (time_hour);
CREATE TABLE flights_2013_h1 PARTITION OF flights FOR VALUES FROM ('2013-01-01') TO ('2013-07-01');
CREATE TABLE flights_2013_h2 PARTITION OF flights FOR VALUES FROM ('2013-07-01') TO ('2014-01-02');
INSERT INTO flights OVERRIDING SYSTEM VALUE SELECT * FROM flights_old;
CREATE INDEX ON flights (id);
CREATE INDEX ON flights (time_hour);
CREATE INDEX ON flights (dest, time_hour);
CREATE INDEX ON flights (carrier, flight);
DROP VIEW busiest_routes;
CREATE VIEW busiest_routes AS
    SELECT origin, dest, count(*) AS flights FROM flights GROUP BY origin, dest;
DROP TABLE flights_old;
COMMIT;
