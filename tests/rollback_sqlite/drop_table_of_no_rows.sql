-- verdict: exact
-- own schema
CREATE TABLE empty (a INTEGER PRIMARY KEY, b TEXT COLLATE NOCASE UNIQUE);
CREATE INDEX empty_b ON empty (b DESC);
-- migration
DROP TABLE empty;
