CREATE DOMAIN positive AS int CONSTRAINT positive_check CHECK (VALUE > 0);
CREATE TABLE counted (id serial PRIMARY KEY, n positive); INSERT INTO counted (n) VALUES (5);
CREATE TYPE pair AS (a int, b text);
CREATE TYPE unused AS (a int, b text); COMMENT ON TYPE unused IS 'nobody'; CREATE DOMAIN unused_domain AS text NOT NULL DEFAULT 'x' CHECK (VALUE <> 'y');
GRANT USAGE ON DOMAIN unused_domain TO reader;
