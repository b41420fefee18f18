CREATE FUNCTION normalise(varchar) RETURNS varchar LANGUAGE sql IMMUTABLE AS 'SELECT lower(replace($1, ''-'', ''_''))';
CREATE FUNCTION normalise(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(replace($1, ''-'', ''_''))';
CREATE TABLE crates (id serial PRIMARY KEY, name varchar NOT NULL, slug varchar,
    CONSTRAINT name_ok CHECK (name <> 'nul' AND char_length(name) < 64));
CREATE UNIQUE INDEX crates_name ON crates (normalise(name));
CREATE INDEX crates_some ON crates (id) WHERE name LIKE 'a%';
CREATE VIEW crate_names AS SELECT id, name FROM crates WHERE name <> '';
INSERT INTO crates (name) SELECT 'crate-' || i FROM generate_series(1, 30) i;
