-- name: CountVisits :one
SELECT count(*) FROM visits;
