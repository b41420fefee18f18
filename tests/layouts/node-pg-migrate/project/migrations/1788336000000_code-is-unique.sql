-- Up Migration
ALTER TABLE parcels ADD CONSTRAINT parcels_code_key UNIQUE (code);

-- Down Migration
ALTER TABLE parcels DROP CONSTRAINT parcels_code_key;
