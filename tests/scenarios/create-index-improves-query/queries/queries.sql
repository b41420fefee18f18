-- name: FindOrderByReference :one
-- params one: reference = 'R-1234'
SELECT id, total_cents FROM orders WHERE reference = :reference;
