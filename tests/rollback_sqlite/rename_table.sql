-- verdict: exact
-- migration
ALTER TABLE orders RENAME TO purchases;
