-- name: OpenOrders :many
SELECT id FROM orders WHERE status = 'open' AND padding <> '';
