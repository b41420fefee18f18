-- verdict: exact
-- migration
ALTER TABLE lines RENAME COLUMN position TO p;
ALTER TABLE lines RENAME COLUMN number TO position;
ALTER TABLE lines RENAME COLUMN p TO number;
