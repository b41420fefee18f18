CREATE TABLE comments (id integer PRIMARY KEY, body text, parent integer REFERENCES comments ON DELETE SET NULL);
INSERT INTO comments SELECT i, 'c' || i, CASE WHEN i = 13 THEN 3 END FROM generate_series(1, 20) AS i;
