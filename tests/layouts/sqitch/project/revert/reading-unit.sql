-- Revert tides:reading-unit from pg

BEGIN;

REVOKE SELECT ON readings FROM :"reader";
ALTER TABLE readings DROP COLUMN unit;

COMMIT;
