-- +goose Up
DELETE FROM payments WHERE id > 14900;
-- +goose Down
SELECT 1;
