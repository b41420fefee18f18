BEGIN;
ALTER TABLE orders ADD COLUMN region text;
UPDATE payments SET amount_cents = amount_cents + 1 WHERE id <= 500;
SELECT pg_sleep(1.2);
COMMIT;
