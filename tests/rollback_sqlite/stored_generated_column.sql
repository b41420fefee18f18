-- verdict: restored_from_backup
-- loses: main.t.b 2
-- own schema
CREATE TABLE t (a INT, b INT, twice INT AS (a * 2) STORED, both TEXT AS (a || 'x') VIRTUAL);
INSERT INTO t VALUES (1, 10), (2, 20);
CREATE INDEX t_both ON t (both);
-- migration
ALTER TABLE t DROP COLUMN twice;
ALTER TABLE t DROP COLUMN b;
