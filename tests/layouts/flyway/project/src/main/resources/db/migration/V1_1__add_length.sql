ALTER TABLE berths ADD COLUMN length_m numeric;
