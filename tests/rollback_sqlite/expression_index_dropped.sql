-- verdict: exact
-- own schema
CREATE TABLE t (a TEXT, b INT);
INSERT INTO t VALUES ('A', 1);
CREATE UNIQUE INDEX by_lower ON t (lower(a), b + 1) WHERE b IS NOT NULL;
-- migration
DROP INDEX by_lower;
