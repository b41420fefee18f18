ALTER TABLE berths DROP COLUMN depth_m;
