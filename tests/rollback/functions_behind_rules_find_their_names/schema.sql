CREATE FUNCTION helper(text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT lower($1) $$;
CREATE FUNCTION norm(v text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN helper(v); END $$;
CREATE TABLE t (id integer PRIMARY KEY, v text CHECK (norm(v) <> 'q'), w text);
INSERT INTO t SELECT i, 'v' || i, i FROM generate_series(1, 5) AS i;
