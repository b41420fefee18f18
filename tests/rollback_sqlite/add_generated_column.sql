-- verdict: exact
-- migration
ALTER TABLE orders ADD COLUMN twice REAL AS (total * 2) VIRTUAL;
