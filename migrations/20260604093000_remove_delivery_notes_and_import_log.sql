-- The courier's own app asks for delivery notes now; ours are not shown anywhere.
ALTER TABLE shop.addresses DROP COLUMN delivery_notes;

-- The import from the old shop is finished.
DROP TABLE shop.import_batches;
