CREATE TABLE t (id integer PRIMARY KEY, note text, n integer);
INSERT INTO t SELECT n, 'note ' || n, n % 3 FROM generate_series(1, 9) AS n;
CREATE VIEW b_view AS SELECT id, note FROM t GROUP BY id;
CREATE MATERIALIZED VIEW b_stored AS SELECT id, note FROM t GROUP BY id;
CREATE MATERIALIZED VIEW a_of_view AS SELECT upper(note) AS word FROM b_view;
CREATE MATERIALIZED VIEW a_of_stored AS SELECT upper(note) AS word FROM b_stored;
CREATE UNIQUE INDEX a_words ON a_of_stored (word);
CREATE VIEW a_last AS SELECT * FROM a_of_stored;
