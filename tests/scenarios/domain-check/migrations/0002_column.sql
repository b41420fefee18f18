ALTER TABLE people ADD COLUMN height positive;
