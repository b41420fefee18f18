COMMENT ON TABLE orders IS 'What customers bought';
ALTER TABLE orders ALTER COLUMN quantity SET DEFAULT 1;
