-- verdict: exact
-- migration
ALTER TABLE orders RENAME COLUMN total TO amount;
