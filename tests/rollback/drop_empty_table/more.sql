CREATE TABLE empty (id int PRIMARY KEY, v text);
