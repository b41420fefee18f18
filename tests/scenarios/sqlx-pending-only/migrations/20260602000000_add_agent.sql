ALTER TABLE visits ADD COLUMN agent text;
