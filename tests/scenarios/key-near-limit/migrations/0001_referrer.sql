ALTER TABLE visits ADD COLUMN referrer text;
