-- name: FindOrder :one
-- params one: id = 12
SELECT reference FROM orders WHERE id = :id;

-- name: ListReturns :many
SELECT id FROM returns;
