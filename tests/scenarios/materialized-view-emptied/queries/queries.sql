-- name: SalesOfCustomer :one
-- params one: id = 12
SELECT orders, total_cents FROM customer_sales WHERE customer_id = :id;
