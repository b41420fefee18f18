ALTER TABLE orders ADD COLUMN placed timestamptz; UPDATE orders SET placed = '2026-01-01 12:00+00'; ALTER TABLE orders ALTER COLUMN placed SET NOT NULL;
