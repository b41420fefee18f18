CREATE TYPE person AS (id int, name text);
CREATE TABLE typed OF person (PRIMARY KEY (id), name WITH OPTIONS DEFAULT 'x');
CREATE TABLE plain (id int, name text);
INSERT INTO typed VALUES (1, 'a'); INSERT INTO plain VALUES (2, 'b');
