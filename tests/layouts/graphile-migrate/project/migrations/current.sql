--! Message: harvests

ALTER TABLE beds ADD COLUMN IF NOT EXISTS harvested date;
--!include harvest.sql
COMMENT ON COLUMN beds.harvested IS 'for :GARDEN_READER';
