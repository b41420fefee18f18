-- name: GetPrice
SELECT price FROM prices WHERE id = 7;
