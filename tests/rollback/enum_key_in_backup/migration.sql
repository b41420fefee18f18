-- no-transaction
ALTER TABLE people DROP COLUMN v; ALTER TYPE mood ADD VALUE 'new';
