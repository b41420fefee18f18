-- name: OneCustomer :one
SELECT id FROM customers WHERE id = 5;
