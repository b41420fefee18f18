ALTER TABLE orders ADD CONSTRAINT orders_reference_known CHECK (reference <> '') NOT VALID;
