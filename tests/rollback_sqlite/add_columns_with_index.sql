-- verdict: restored_from_backup
-- migration
ALTER TABLE orders ADD COLUMN extra TEXT;
ALTER TABLE orders ADD COLUMN more INT NOT NULL DEFAULT 3;
CREATE INDEX by_extra ON orders (extra, more);
UPDATE orders SET extra = 'y' WHERE id = 1;
