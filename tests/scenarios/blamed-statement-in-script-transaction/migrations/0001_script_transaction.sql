BEGIN;
SET LOCAL lock_timeout = '5s';
ALTER TABLE customers ADD COLUMN pet_name text;
DROP INDEX orders_status_idx;
ALTER TABLE customers ADD COLUMN salutation text;
COMMIT;
