ALTER TABLE orders DROP COLUMN quantity; ALTER TABLE orders ADD COLUMN quantity numeric;
