ALTER TABLE lamps ADD COLUMN note text;
