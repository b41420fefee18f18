-- Up Migration
ALTER TABLE parcels ADD COLUMN carrier text;
UPDATE parcels SET carrier = 'post' WHERE grams < 2000;

-- Down Migration
ALTER TABLE parcels DROP COLUMN carrier;
