-- name: OrdersOfTenant :many
-- role: web
SELECT count(note) FROM orders;
