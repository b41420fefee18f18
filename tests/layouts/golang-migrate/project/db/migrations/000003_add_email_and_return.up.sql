ALTER TABLE readers ADD COLUMN email text;
ALTER TABLE loans ADD COLUMN returned_at timestamptz;
