SET lock_timeout = '5s';
ALTER TABLE orders ALTER COLUMN shipped_at SET NOT NULL;
