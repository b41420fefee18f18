CREATE TABLE users (id bigserial PRIMARY KEY, email text NOT NULL);
CREATE UNIQUE INDEX users_email ON users (lower(email));
INSERT INTO users (email) SELECT 'u' || i || '@x' FROM generate_series(1, 20) AS i;
CREATE TABLE swap (id integer PRIMARY KEY, pos integer NOT NULL UNIQUE);
INSERT INTO swap SELECT i, i FROM generate_series(1, 300) AS i;
