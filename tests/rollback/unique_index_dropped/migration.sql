DROP INDEX orders_status_note_idx; ALTER TABLE orders ADD COLUMN z integer;
