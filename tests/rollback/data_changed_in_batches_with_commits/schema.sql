CREATE TABLE big (id int PRIMARY KEY, v text, w text); INSERT INTO big SELECT i, 'v' || i, 'w' || i FROM generate_series(1, 100) i;
