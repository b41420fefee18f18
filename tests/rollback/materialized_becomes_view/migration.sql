DROP MATERIALIZED VIEW busiest CASCADE;
CREATE VIEW busiest AS SELECT origin, goal, count(*) AS trips FROM trips GROUP BY origin, goal;
