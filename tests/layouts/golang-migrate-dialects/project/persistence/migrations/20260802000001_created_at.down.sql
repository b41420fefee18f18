ALTER TABLE networks DROP COLUMN created_at;
