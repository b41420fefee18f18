-- name: FindVisit :one
-- params one: id = 12
SELECT page FROM visits WHERE id = :id;
