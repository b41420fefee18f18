CREATE COLLATION german FROM "C"; CREATE COLLATION "Odd ""one""" FROM "POSIX"; COMMENT ON COLLATION german IS 'made';
CREATE TABLE words (id int PRIMARY KEY, w text COLLATE "C", v varchar(10) COLLATE german, x text); INSERT INTO words SELECT i, 'w' || i, 'v' || i, 'x' FROM generate_series(1, 8) i;
CREATE INDEX words_v ON words (v); CREATE INDEX words_x ON words (x COLLATE german); CREATE UNIQUE INDEX words_w ON words (w, id);
