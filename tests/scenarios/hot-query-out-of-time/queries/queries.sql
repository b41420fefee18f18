-- name: AmountOfOne :one
-- query_ms: 1000
SELECT amount_of(5);
