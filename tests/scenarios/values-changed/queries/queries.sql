-- name: OldestMid :many
SELECT id, amount FROM orders WHERE status = 'mid' ORDER BY id LIMIT 10;

-- name: OneOrder :one
SELECT amount FROM orders WHERE id = 4711;
