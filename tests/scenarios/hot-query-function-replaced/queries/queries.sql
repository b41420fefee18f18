-- name: AmountOfOne :one
SELECT amount_of(5);

-- name: Unconcerned :one
SELECT count(*) FROM plain;
