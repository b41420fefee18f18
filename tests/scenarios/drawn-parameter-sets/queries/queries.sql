-- name: CountOrdersInStatus :one
SELECT count(*), sum(total_cents) FROM orders WHERE status = :status;
