CREATE TABLE t (id integer PRIMARY KEY, a integer NOT NULL, b integer NOT NULL);
INSERT INTO t SELECT i, i, i FROM generate_series(1, 20) AS i;
