CREATE TABLE seats (id int PRIMARY KEY, place int NOT NULL, CONSTRAINT one_each UNIQUE (place) DEFERRABLE INITIALLY IMMEDIATE); INSERT INTO seats SELECT i, i FROM generate_series(1, 4) i;
