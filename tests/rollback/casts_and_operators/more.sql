CREATE TYPE pair AS (a int, b text); CREATE FUNCTION to_text(pair) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1.b';
CREATE CAST (pair AS text) WITH FUNCTION to_text(pair);
CREATE AGGREGATE sums(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0'); COMMENT ON AGGREGATE sums(int) IS 'sums';
