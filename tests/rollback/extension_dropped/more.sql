CREATE EXTENSION citext; CREATE TABLE people (id int PRIMARY KEY, nick citext, v int); INSERT INTO people VALUES (1, 'A'), (2, 'b'), (3, 'C');
