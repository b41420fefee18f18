ALTER TABLE orders ADD CONSTRAINT pieces CHECK (quantity + 1 > 0), ADD COLUMN twice bigint GENERATED ALWAYS AS (quantity * 2) STORED; CREATE INDEX ON orders ((quantity + 1)); ALTER TABLE orders ALTER quantity SET DEFAULT 3;
ALTER TABLE orders DROP COLUMN twice;
