ALTER TABLE networks ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();
