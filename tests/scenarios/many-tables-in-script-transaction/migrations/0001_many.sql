BEGIN;
ALTER TABLE articles ADD COLUMN memo text;
ALTER TABLE brands ADD COLUMN memo text;
ALTER TABLE colours ADD COLUMN memo text;
SET LOCAL work_mem = '8MB';
ALTER TABLE designers ADD COLUMN memo text;
ALTER TABLE editions ADD COLUMN memo text;
ALTER TABLE fabrics ADD COLUMN memo text;
COMMIT;
