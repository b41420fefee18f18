CREATE TABLE notes (v text NOT NULL);
INSERT INTO notes VALUES ('old');
CREATE TABLE counters (id int PRIMARY KEY, n int NOT NULL);
INSERT INTO counters SELECT i, i * 10 FROM generate_series(1, 5) AS i;
CREATE TABLE jobs (id serial PRIMARY KEY, kind text, at timestamptz DEFAULT now());
INSERT INTO jobs (kind) VALUES ('mail');
