CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TABLE people (id serial PRIMARY KEY, mood mood); INSERT INTO people (mood) VALUES ('happy'), ('sad');
