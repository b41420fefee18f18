CREATE TYPE mood AS ENUM ('sad', 'hap,py'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN nr AS int CHECK (VALUE > 0); CREATE TABLE people (id mood PRIMARY KEY, mood mood[], pair pair, nr nr, v int);
ALTER TABLE people ALTER COLUMN id TYPE text; INSERT INTO people VALUES ('a', '{sad,"hap,py"}', '(1,"x ""y")', 5), ('b', '{}', '(,)', 6);
