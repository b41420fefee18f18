-- The courier's own app asks for delivery notes now.
ALTER TABLE customers DROP COLUMN delivery_notes;

-- The import from the old till is finished.
DROP TABLE import_batches;
