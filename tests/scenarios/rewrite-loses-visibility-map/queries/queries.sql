-- name: CountOrdersInRange :one
-- params many: first = 1000, last = 9000
SELECT count(*) FROM orders WHERE id BETWEEN :first AND :last;
