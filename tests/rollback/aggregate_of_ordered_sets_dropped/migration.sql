DROP AGGREGATE ordered(float8 ORDER BY anyelement); DROP AGGREGATE moved(int); CREATE AGGREGATE moved(int) (SFUNC = int4pl, STYPE = int);
