DROP TABLE notes; CREATE TABLE notes (id int PRIMARY KEY, v text);
