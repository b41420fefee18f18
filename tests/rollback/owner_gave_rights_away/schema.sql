CREATE TABLE t (id integer PRIMARY KEY, note text);
INSERT INTO t SELECT n, 'note ' || n FROM generate_series(1, 20) AS n;
