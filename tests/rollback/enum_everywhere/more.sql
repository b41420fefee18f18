CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN my_mood AS mood DEFAULT 'sad' CHECK (VALUE <> 'sad' OR VALUE IS NULL); CREATE TYPE box AS (m mood, n int);
CREATE TABLE t (id int PRIMARY KEY, m my_mood, b box, c mood DEFAULT 'happy', UNIQUE (c, id)); INSERT INTO t (id, m, c) VALUES (1, 'happy', 'happy');
CREATE FUNCTION f(m mood DEFAULT 'sad', OUT x text) LANGUAGE plpgsql AS 'BEGIN x := m::text; END'; CREATE POLICY p ON t USING (c = 'happy'); CREATE VIEW v AS SELECT f(c), b FROM t;
