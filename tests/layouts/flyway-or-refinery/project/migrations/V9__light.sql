ALTER TABLE lamps ADD COLUMN lit_at timestamptz;
UPDATE lamps SET watts = 100 WHERE watts IS NULL;
