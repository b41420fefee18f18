UPDATE orders SET status = 'old' WHERE id <= 5;
DELETE FROM orders WHERE id > 298;
ALTER TABLE orders DROP COLUMN note;
