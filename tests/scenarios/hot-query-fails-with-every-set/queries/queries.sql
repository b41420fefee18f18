-- name: FindOrder :one
-- params one: id = 12
SELECT reference FROM orders WHERE id = :id;

-- name: ListReturns :many
-- params first: id = 1
-- params second: id = 2
-- params third: id = 3
SELECT id FROM returns WHERE id = :id;
