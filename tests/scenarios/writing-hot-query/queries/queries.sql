-- name: RefundPayment :exec
-- params one: order_id = 12
UPDATE payments SET refund_of = order_id WHERE order_id = :order_id;
