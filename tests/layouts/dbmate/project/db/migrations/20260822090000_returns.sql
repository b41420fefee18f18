-- A column, then its index: the table is only locked for the first.
-- migrate:up
ALTER TABLE loans ADD COLUMN returned_on date;
COMMENT ON COLUMN loans.returned_on IS 'null while the book is out';

-- migrate:down
ALTER TABLE loans DROP COLUMN returned_on;

-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY loans_out_idx ON loans (reader_id) WHERE returned_on IS NULL;

-- migrate:down transaction:false
DROP INDEX CONCURRENTLY loans_out_idx;
