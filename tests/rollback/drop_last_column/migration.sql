ALTER TABLE orders DROP COLUMN quantity;
