ALTER TABLE orders ADD COLUMN never_reached text;
