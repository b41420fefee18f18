-- verdict: exact
-- migration
ALTER TABLE orders ADD COLUMN extra TEXT DEFAULT 'x';
