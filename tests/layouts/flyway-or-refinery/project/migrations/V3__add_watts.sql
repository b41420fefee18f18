ALTER TABLE lamps ADD COLUMN watts int;
