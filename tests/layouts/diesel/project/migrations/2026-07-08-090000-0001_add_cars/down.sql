ALTER TABLE crossings DROP COLUMN cars;
