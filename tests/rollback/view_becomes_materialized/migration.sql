DROP VIEW busiest CASCADE;
CREATE MATERIALIZED VIEW busiest AS SELECT origin, goal, count(*) AS trips FROM trips GROUP BY origin, goal;
CREATE UNIQUE INDEX busiest_origin_goal_idx ON busiest (origin, goal);
