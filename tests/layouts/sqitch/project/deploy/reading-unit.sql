-- Deploy tides:reading-unit to pg
-- requires: readings

\set unit 'cm'
BEGIN;

ALTER TABLE readings ADD COLUMN unit text NOT NULL DEFAULT :'unit';
COMMENT ON COLUMN readings.unit IS 'of the gauge';
\i deploy/common/grants.sql

COMMIT;
