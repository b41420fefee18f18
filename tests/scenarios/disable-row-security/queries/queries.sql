-- name: FindDocument :one
-- params one: id = 11
SELECT body FROM documents WHERE id = :id;
