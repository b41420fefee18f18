-- expect: applies yes, blocks briefly, slower yes, undoable yes
-- find: index/dropped-in-use, plan/regressed
-- Cities are looked for in any case; the query was not changed yet.
CREATE INDEX CONCURRENTLY people_birth_city_lower_idx ON people (lower("birthCity"));
SET lock_timeout = '5s';
DROP INDEX people_birth_city_idx;
