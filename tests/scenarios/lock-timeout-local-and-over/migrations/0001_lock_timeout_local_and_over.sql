BEGIN;
SET LOCAL lock_timeout = '3s';
SELECT 1;
COMMIT;
ALTER TABLE visits ADD COLUMN referrer text;
