-- Revert tides:readings from pg

BEGIN;

DROP TABLE readings;

COMMIT;
