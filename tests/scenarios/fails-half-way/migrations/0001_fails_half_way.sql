ALTER TABLE orders ADD COLUMN region text;
ALTER TABLE orders ALTER COLUMN shipped_at SET NOT NULL;
ALTER TABLE orders ADD COLUMN never_reached text;
