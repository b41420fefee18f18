ALTER TABLE orders ADD COLUMN total numeric;
UPDATE orders SET total = amount * quantity;
