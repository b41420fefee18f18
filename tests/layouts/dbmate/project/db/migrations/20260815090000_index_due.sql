-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY loans_due_on_idx ON loans (due_on);

-- migrate:down transaction:false
DROP INDEX CONCURRENTLY loans_due_on_idx;
