CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 10) i; CREATE MATERIALIZED VIEW m AS SELECT id, v FROM t; DELETE FROM t WHERE id > 6;
