-- name: FindCustomer :one
-- owner: team-shop
-- params somebody: id = 4711
SELECT id, email, country FROM customers WHERE id = :id;

-- name: ListOrdersOfCustomer :many
-- owner: team-shop
-- params two_orders: customer_id = 12
SELECT id, reference, total_cents FROM orders WHERE customer_id = :customer_id ORDER BY id;

-- name: ListWaitingOrders :many
-- owner: team-billing
SELECT id, customer_id, total_cents FROM orders WHERE status = 'waiting' ORDER BY id LIMIT 50;
