-- What people at the counter and in the office ask for.

-- name: ListOrdersAwaitingPayment :many
-- owner: team-back-office
-- expect: rows
-- weight: 30
-- params overdue: status = 'awaiting_payment', before = '2026-05-16'
SELECT id, customer_id, total_cents, placed_at
FROM orders
WHERE status = :status
  AND placed_at < :before
ORDER BY placed_at
LIMIT 50;

-- name: SumOrdersOfWeek :one
-- owner: team-finance
-- expect: one
-- weight: 12
-- params refunds: status = 'refunded', first_day = '2026-03-02', last_day = '2026-03-09'
SELECT count(*) AS orders, sum(total_cents) AS total_cents
FROM orders
WHERE status = :status
  AND placed_at >= :first_day
  AND placed_at < :last_day;

-- name: ListCustomerOrders :many
-- owner: team-counter
-- expect: rows
-- weight: 420
-- params hotel: customer_id = 17
-- params nothing_yet: customer_id = 19999
SELECT id, placed_at, status, total_cents
FROM orders
WHERE customer_id = :customer_id
ORDER BY placed_at DESC
LIMIT 20;

-- name: GetOrderLines :many
-- owner: team-counter
-- expect: rows
-- weight: 380
-- max_steps: 5000
-- params recent: order_id = 59903
SELECT o.status, c.full_name, p.sku, p.name, g.name AS category, i.quantity, i.amount_cents
FROM orders o
JOIN customers c ON c.id = o.customer_id
JOIN order_items i ON i.order_id = o.id
JOIN products p ON p.id = i.product_id
LEFT JOIN categories g ON g.id = p.category_id
WHERE o.id = :order_id
ORDER BY i.line_no;

-- name: MarkOrderPaid :exec
-- owner: team-counter
-- expect: none
-- weight: 60
-- params one: order_id = 4711
UPDATE orders SET status = 'paid' WHERE id = :order_id;
