CREATE TYPE pair AS (a integer, b text);
COMMENT ON TYPE pair IS 'two';
CREATE FUNCTION first(p pair) RETURNS integer LANGUAGE sql AS 'SELECT (p).a';
CREATE FUNCTION all_pairs() RETURNS SETOF pair LANGUAGE sql AS $$ SELECT 1, 'x'::text $$;
CREATE VIEW shown AS SELECT p FROM (SELECT ROW(1, 'x')::pair AS p) AS made;
