CREATE TABLE notes (id int PRIMARY KEY, v text); INSERT INTO notes SELECT i, 'v' || i FROM generate_series(1, 5) i;
