CREATE TABLE tags (id integer PRIMARY KEY, name text NOT NULL);
CREATE UNIQUE INDEX tags_name_idx ON tags (lower(name));
INSERT INTO tags VALUES (1, 'Red'), (2, 'Green');
