--- up migration: the carrier's own list
CREATE INDEX parcels_carrier_idx ON parcels (carrier);

--- down migration
DROP INDEX parcels_carrier_idx;
