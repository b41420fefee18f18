ALTER TABLE berths ADD COLUMN depth_m numeric;
COMMENT ON COLUMN berths.depth_m IS 'at lowest water';
