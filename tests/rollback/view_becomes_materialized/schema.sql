CREATE TABLE trips (id int PRIMARY KEY, origin text NOT NULL, goal text NOT NULL);
INSERT INTO trips SELECT g, 'port ' || g % 3, 'port ' || g % 5 FROM generate_series(1, 60) g;
CREATE VIEW busiest AS SELECT origin, goal, count(*) AS trips FROM trips GROUP BY origin, goal;
COMMENT ON VIEW busiest IS 'how often';
GRANT SELECT ON busiest TO reader;
CREATE VIEW most AS SELECT max(trips) AS trips FROM busiest;
