CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE lists (id int PRIMARY KEY, numbers int[] NOT NULL DEFAULT '{1,2}', words varchar(5)[], moods mood[] DEFAULT ARRAY['ok'::mood]);
INSERT INTO lists SELECT i, ARRAY[i, i + 1], ARRAY['w' || i], ARRAY['sad', 'ok']::mood[] FROM generate_series(1, 10) i;
CREATE INDEX lists_numbers ON lists USING gin (numbers);
