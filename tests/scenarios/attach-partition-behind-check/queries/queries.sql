-- name: FindEvent :one
-- params one: id = 12
SELECT happened_at, kind FROM events WHERE id = :id;
