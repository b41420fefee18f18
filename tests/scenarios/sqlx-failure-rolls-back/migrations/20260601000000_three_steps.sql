ALTER TABLE visits ADD COLUMN referrer text;
ALTER TABLE visits ADD CONSTRAINT visits_id_small CHECK (id <= 11000);
