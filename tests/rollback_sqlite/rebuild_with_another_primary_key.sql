-- verdict: restored_from_backup
-- loses: main.t 2
-- own schema
CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);
INSERT INTO t VALUES (1, 'x'), (2, NULL);
-- migration
CREATE TABLE n (key TEXT PRIMARY KEY, a TEXT) WITHOUT ROWID;
INSERT INTO n SELECT 'k' || id, a FROM t;
DROP TABLE t;
ALTER TABLE n RENAME TO t;
