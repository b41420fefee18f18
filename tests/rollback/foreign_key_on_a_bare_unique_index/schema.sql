CREATE TABLE target (a int NOT NULL, b int); INSERT INTO target SELECT i, i FROM generate_series(1, 10) i; CREATE UNIQUE INDEX target_a ON target (a); CREATE UNIQUE INDEX target_a_second ON target (a);
CREATE TABLE source (id int PRIMARY KEY, a int REFERENCES target (a)); INSERT INTO source SELECT i, i FROM generate_series(1, 10) i;
