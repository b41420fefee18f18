CREATE SCHEMA old; GRANT USAGE ON SCHEMA old TO reader; COMMENT ON SCHEMA old IS 'of old';
CREATE TYPE old.kind AS ENUM ('a', 'b');
CREATE DOMAIN old.positive AS int CHECK (VALUE > 0);
CREATE TABLE old.things (id serial PRIMARY KEY, kind old.kind DEFAULT 'a', n old.positive);
INSERT INTO old.things (n) VALUES (1), (2), (3);
CREATE FUNCTION old.f(old.kind) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
