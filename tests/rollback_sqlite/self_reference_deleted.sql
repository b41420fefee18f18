-- verdict: restored_from_backup
-- loses: main.t 3
-- foreign keys on
-- own schema
CREATE TABLE t (id INTEGER PRIMARY KEY, parent REFERENCES t (id) ON DELETE CASCADE);
INSERT INTO t VALUES (1, NULL), (2, 1), (3, 2), (4, NULL);
-- migration
DELETE FROM t WHERE id = 1;
