-- name: OldestInRange :many
SELECT id, amount FROM orders WHERE id > 20000 ORDER BY id LIMIT 400;

-- name: SumOfRange :one
SELECT sum(amount) FROM orders WHERE placed BETWEEN '2025-03-01' AND '2025-03-08';

-- name: OneOrder :one
SELECT amount FROM orders WHERE id = 4711;
