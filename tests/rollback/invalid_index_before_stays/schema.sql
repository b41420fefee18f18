CREATE TABLE t (id int, v text); INSERT INTO t VALUES (1, 'a'), (1, 'b'); CREATE INDEX t_v ON t (v);
