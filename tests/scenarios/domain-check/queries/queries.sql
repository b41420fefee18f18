-- name: FindPerson :one
-- params one: id = 12
SELECT email FROM people WHERE id = :id;
