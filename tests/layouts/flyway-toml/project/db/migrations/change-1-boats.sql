CREATE TABLE boats (id int PRIMARY KEY, name text NOT NULL);
