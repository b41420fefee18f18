ALTER TABLE networks ADD COLUMN created_at timestamp;
