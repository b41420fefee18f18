-- verdict: exact
-- own schema
CREATE TABLE t (a);
INSERT INTO t VALUES (1);
CREATE VIEW first AS SELECT a AS a FROM t;
CREATE VIEW second AS SELECT a + 1 AS c FROM first;
CREATE TRIGGER second_in INSTEAD OF INSERT ON second BEGIN INSERT INTO t VALUES (new.c - 1); END;
-- migration
ALTER TABLE t RENAME COLUMN a TO b;
DROP VIEW second;
DROP VIEW first;
