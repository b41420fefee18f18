CREATE TABLE rectangles (id int PRIMARY KEY, a numeric NOT NULL, b numeric NOT NULL, area numeric GENERATED ALWAYS AS (a * b) STORED NOT NULL, word text GENERATED ALWAYS AS ('r' || (id::text)) STORED);
INSERT INTO rectangles (id, a, b) SELECT i, i, i + 1 FROM generate_series(1, 12) i;
CREATE INDEX rectangles_area ON rectangles (area) WHERE area > 10;
CREATE VIEW large AS SELECT id, area FROM rectangles WHERE area > 50;
COMMENT ON COLUMN rectangles.area IS 'computed'; GRANT SELECT (area) ON rectangles TO reader;
