-- name: NewestOfCustomer :many
-- params rare: customer_id = 78
-- params common: customer_id = 7
SELECT id, amount FROM orders WHERE customer_id = :customer_id ORDER BY id DESC LIMIT 20;

-- name: CountInRange :one
SELECT count(*) FROM orders WHERE id BETWEEN 1 AND 20000;
