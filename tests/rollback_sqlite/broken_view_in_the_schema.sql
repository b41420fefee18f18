-- verdict: exact
-- own schema
CREATE TABLE t (a);
CREATE VIEW broken AS SELECT * FROM absent;
-- migration
ALTER TABLE t ADD COLUMN b;
