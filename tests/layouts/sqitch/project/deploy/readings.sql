-- Deploy tides:readings to pg
-- requires: harbours

BEGIN;

CREATE TABLE readings (
    harbour bigint NOT NULL REFERENCES harbours (id),
    taken_at timestamptz NOT NULL,
    centimetres integer NOT NULL
);

COMMIT;
