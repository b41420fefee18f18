ALTER TABLE settings ALTER COLUMN id TYPE bigint;
