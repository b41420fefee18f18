CREATE TABLE accounts (id int PRIMARY KEY, state text, at int NOT NULL DEFAULT 0);
CREATE TABLE plans (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
INSERT INTO accounts SELECT i, 'new' FROM generate_series(1, 10) AS i;
INSERT INTO plans (name) VALUES ('free');
