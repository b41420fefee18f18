-- What a customer sees of their orders.

-- name: ListCustomerOrders :many
-- owner: team-checkout
-- expect: rows
-- weight: 420
-- params hotel: customer_id = 17, status = 'delivered'
-- params regular: customer_id = 2400, status = 'delivered'
-- params nothing_yet: customer_id = 59999, status = 'refunded'
SELECT o.id, o.placed_at, o.status, o.total_cents, o.currency
FROM shop.orders o
WHERE o.customer_id = :customer_id
  AND o.status = :status
ORDER BY o.placed_at DESC
LIMIT 20;

-- name: GetOrderLines :many
-- owner: team-checkout
-- expect: rows
-- weight: 380
-- max_buffers: 100
-- params recent: order_id = 179903
-- params old: order_id = 42
SELECT o.id, o.status, c.full_name, p.sku, p.name, cat.name AS category,
       i.quantity, i.unit_price_cents
FROM shop.orders o
JOIN shop.customers c ON c.id = o.customer_id
JOIN shop.order_items i ON i.order_id = o.id
JOIN shop.products p ON p.id = i.product_id
JOIN shop.categories cat ON cat.id = p.category_id
WHERE o.id = :order_id
ORDER BY i.line_no;

-- name: ListOrderTotals :many
-- owner: team-accounts
-- expect: rows
-- weight: 60
-- search_path: shop, public
-- params regular: customer_id = 2400, since = '2025-01-01 00:00:00+00'
-- params hotel: customer_id = 15, since = '2026-03-01 00:00:00+00'
SELECT order_id, placed_at, line_count, units, items_cents
FROM order_totals
WHERE customer_id = :customer_id
  AND placed_at >= :since
ORDER BY placed_at DESC
LIMIT 50;
