CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TABLE people (id mood PRIMARY KEY, v int); INSERT INTO people VALUES ('sad', 1), ('happy', 2);
