CREATE TABLE users (id integer PRIMARY KEY, name text);
CREATE TABLE posts (id integer PRIMARY KEY, user_id integer NOT NULL REFERENCES users ON DELETE CASCADE, body text);
CREATE TABLE likes (id integer PRIMARY KEY, post_id integer REFERENCES posts ON DELETE SET NULL, at date);
INSERT INTO users SELECT i, 'u' || i FROM generate_series(1, 5) AS i;
INSERT INTO posts SELECT i, i % 5 + 1, 'p' || i FROM generate_series(1, 10) AS i;
INSERT INTO likes SELECT i, i, '2024-01-01' FROM generate_series(1, 10) AS i;
