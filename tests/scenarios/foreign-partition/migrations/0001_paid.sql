SET lock_timeout = '2s';
ALTER TABLE orders ADD COLUMN paid boolean;
UPDATE orders SET paid = true WHERE year = 2026;
