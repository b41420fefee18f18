CREATE TABLE labels (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
INSERT INTO labels (name) VALUES ('old');
CREATE TABLE orders (id integer PRIMARY KEY, status text);
INSERT INTO orders SELECT i, 'new' FROM generate_series(1, 40) AS i;
