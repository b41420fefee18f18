-- no-transaction
ALTER TYPE mood ADD VALUE 'ecstatic' AFTER 'happy';
ALTER TABLE people ADD COLUMN second mood DEFAULT 'ecstatic';
