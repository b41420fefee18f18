-- Work lists of the people who look after orders.

-- name: ListOrdersAwaitingPayment :many
-- owner: team-back-office
-- expect: rows
-- weight: 30
-- params overdue: $1 = 'awaiting_payment', $2 = '2026-05-16 00:00:00+00'
SELECT id, customer_id, total_cents, currency, placed_at
FROM shop.orders
WHERE status = $1
  AND placed_at < $2
ORDER BY placed_at
LIMIT 50;

-- name: SumOrdersOfWeek :one
-- owner: team-finance
-- expect: one
-- weight: 12
-- params refunds: $1 = 'refunded', $2 = '2026-03-02 00:00:00+00', $3 = '2026-03-09 00:00:00+00'
-- params deliveries: $1 = 'delivered', $2 = '2026-03-02 00:00:00+00', $3 = '2026-03-09 00:00:00+00'
SELECT count(*) AS orders, sum(total_cents) AS total_cents
FROM shop.orders
WHERE status = $1
  AND placed_at >= $2
  AND placed_at < $3;
