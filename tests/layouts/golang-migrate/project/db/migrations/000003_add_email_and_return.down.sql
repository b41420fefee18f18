ALTER TABLE loans DROP COLUMN returned_at;
ALTER TABLE readers DROP COLUMN email;
