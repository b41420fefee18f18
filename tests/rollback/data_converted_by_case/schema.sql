CREATE TABLE t (id serial PRIMARY KEY, s integer NOT NULL);
INSERT INTO t (s) SELECT i % 2 FROM generate_series(1, 10) AS i;
