ALTER TABLE orders ALTER COLUMN status DROP NOT NULL, DROP CONSTRAINT orders_amount_check;
UPDATE orders SET status = NULL, amount = -1 WHERE id <= 30;
