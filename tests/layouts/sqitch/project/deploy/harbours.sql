-- Deploy tides:harbours to pg

BEGIN;

CREATE TABLE harbours (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

COMMIT;
