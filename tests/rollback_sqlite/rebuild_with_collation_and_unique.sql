-- verdict: exact
-- own schema
CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);
INSERT INTO t VALUES (1, 'x'), (2, 'Y');
-- migration
CREATE TABLE n (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE UNIQUE, CHECK (length(a) < 10));
INSERT INTO n (a, id) SELECT a, id FROM t;
DROP TABLE t;
ALTER TABLE n RENAME TO t;
