-- name: CountOrdersInStatus :one
-- params rare: status = 'waiting'
-- params common: status = 'delivered'
SELECT count(*), sum(total_cents) FROM orders WHERE status = :status;
