-- +goose NO TRANSACTION

-- +goose Up
CREATE INDEX CONCURRENTLY loans_due_on_idx ON loans (due_on);

-- +goose Down
DROP INDEX CONCURRENTLY loans_due_on_idx;
