CREATE TABLE t (id integer PRIMARY KEY, v text, n integer);
INSERT INTO t SELECT i, 'low', i FROM generate_series(1, 9) AS i;
