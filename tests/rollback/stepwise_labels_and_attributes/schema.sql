CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TYPE size AS (width integer, height integer);
CREATE TABLE people (id integer PRIMARY KEY, mood mood DEFAULT 'happy', note text);
INSERT INTO people VALUES (1, 'happy', 'a'), (2, 'sad', 'b');
