ALTER TABLE crews ADD COLUMN name text;
