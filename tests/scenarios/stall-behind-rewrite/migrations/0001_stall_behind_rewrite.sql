BEGIN;
ALTER TABLE customers ADD COLUMN token uuid DEFAULT gen_random_uuid();
SELECT pg_sleep(1);
COMMIT;
