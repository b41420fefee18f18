CREATE TABLE parents (id serial PRIMARY KEY, v text);
CREATE TABLE children (id serial PRIMARY KEY, parent_id int NOT NULL REFERENCES parents ON DELETE CASCADE);
CREATE INDEX ON children (parent_id);
INSERT INTO parents (v) SELECT i::text FROM generate_series(1, 20) i; INSERT INTO children (parent_id) SELECT i FROM generate_series(1, 20) i;
