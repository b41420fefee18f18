BEGIN;
PRAGMA foreign_keys = OFF;
UPDATE orders SET note = 'none' WHERE id = 1;
COMMIT;
