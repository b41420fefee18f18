CREATE TYPE "Cat's state" AS ENUM ('aßleep', 'it''s awake', 'both'); COMMENT ON TYPE "Cat's state" IS 'who knows'; GRANT USAGE ON TYPE "Cat's state" TO reader; REVOKE USAGE ON TYPE "Cat's state" FROM PUBLIC;
CREATE TABLE cats (id int PRIMARY KEY, state "Cat's state" DEFAULT 'both'); INSERT INTO cats SELECT i, (ENUM_RANGE(NULL::"Cat's state"))[i % 3 + 1] FROM generate_series(1, 10) i;
CREATE INDEX cats_state ON cats (state) WHERE state <> 'both'; CREATE FUNCTION is_awake("Cat's state") RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1::text LIKE ''it%''';
