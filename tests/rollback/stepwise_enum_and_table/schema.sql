CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TABLE days (day integer PRIMARY KEY, mood mood DEFAULT 'glad');
INSERT INTO days SELECT i, 'sad' FROM generate_series(1, 10) AS i;
CREATE TABLE old_days AS SELECT day FROM days WHERE day <= 5;
