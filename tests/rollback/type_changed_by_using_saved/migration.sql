ALTER TABLE orders ALTER COLUMN quantity TYPE bigint USING quantity * 10;
