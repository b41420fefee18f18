CREATE ROLE garden_reader;

CREATE SCHEMA garden;
CREATE TABLE garden.beds (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    crop text NOT NULL,
    square_metres integer NOT NULL
);
INSERT INTO garden.beds (crop, square_metres) SELECT 'crop ' || n % 7, n FROM generate_series(1, 300) AS n;
GRANT USAGE ON SCHEMA garden TO garden_reader;
GRANT SELECT ON garden.beds TO garden_reader;

CREATE SCHEMA graphile_migrate;
CREATE TABLE graphile_migrate.current (
    filename text DEFAULT 'current.sql'::text NOT NULL PRIMARY KEY,
    content text NOT NULL,
    date timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE graphile_migrate.migrations (
    hash text NOT NULL PRIMARY KEY,
    previous_hash text REFERENCES graphile_migrate.migrations (hash),
    filename text NOT NULL,
    date timestamp with time zone DEFAULT now() NOT NULL
);
INSERT INTO graphile_migrate.migrations (hash, previous_hash, filename, date) VALUES
    ('sha1:cd62a8e9423d9321ca83810dfb006154d5751f44', NULL, '000001.sql', '2026-09-01 08:12:52.625448+00'),
    ('sha1:2a4f5b9f0bdc171b63bfa740042897feabfe73f4', 'sha1:cd62a8e9423d9321ca83810dfb006154d5751f44', '000002.sql', '2026-09-03 08:12:53.087249+00');
