CREATE DOMAIN posint AS integer CONSTRAINT above_zero CHECK (VALUE > 0);
CREATE TABLE users (id integer PRIMARY KEY, age posint, level posint);
INSERT INTO users SELECT i, i, i FROM generate_series(1, 5) AS i;
CREATE DOMAIN code AS text CONSTRAINT short CHECK (length(VALUE) < 5);
CREATE TABLE items (id integer PRIMARY KEY, "Value" code);
INSERT INTO items VALUES (1, 'abc');
