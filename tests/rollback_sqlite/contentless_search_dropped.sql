-- verdict: irreversible
-- own schema
CREATE VIRTUAL TABLE s USING fts5(a, content='');
INSERT INTO s (rowid, a) VALUES (1, 'x');
-- migration
DROP TABLE s;
