-- verdict: exact
-- stepwise
-- migration
PRAGMA journal_mode = WAL;
ALTER TABLE orders ADD COLUMN x;
