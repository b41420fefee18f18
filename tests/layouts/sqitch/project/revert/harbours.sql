-- Revert tides:harbours from pg

BEGIN;

DROP TABLE harbours;

COMMIT;
