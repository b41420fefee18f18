CREATE TABLE lines (id serial PRIMARY KEY, v text); CREATE TABLE sublines (line_id int REFERENCES lines);
INSERT INTO lines (v) SELECT i::text FROM generate_series(1, 20) i; INSERT INTO sublines SELECT i FROM generate_series(1, 20) i;
CREATE VIEW by_line AS SELECT id, v, count(*) FROM lines GROUP BY id;
