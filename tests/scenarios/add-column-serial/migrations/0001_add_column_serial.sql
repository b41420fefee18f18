ALTER TABLE orders ADD COLUMN position serial;
