SET lock_timeout = 0;
BEGIN;
LOCK TABLE customers IN SHARE MODE;
COMMIT;
