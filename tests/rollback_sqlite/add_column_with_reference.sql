-- verdict: exact
-- migration
ALTER TABLE orders ADD COLUMN friend INTEGER REFERENCES customers (id);
