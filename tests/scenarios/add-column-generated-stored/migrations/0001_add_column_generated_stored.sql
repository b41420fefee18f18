ALTER TABLE orders ADD COLUMN total_with_tax integer GENERATED ALWAYS AS (total_cents * 12 / 10) STORED;
