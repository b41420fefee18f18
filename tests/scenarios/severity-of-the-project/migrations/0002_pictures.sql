ALTER TABLE pictures ALTER COLUMN id TYPE bigint;
