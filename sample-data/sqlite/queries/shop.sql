-- The shop window, the till and the shelves.

-- name: ListCategoryProducts :many
-- owner: team-catalog
-- expect: rows
-- weight: 1500
-- params crowded: category_id = 10
SELECT id, sku, name, price_cents
FROM products
WHERE category_id = :category_id
  AND status = 'active'
ORDER BY price_cents, id
LIMIT 24;

-- name: GetCustomerByEmail :one
-- owner: team-counter
-- expect: at most one row
-- weight: 900
-- max_steps: 200
-- params known: email = 'ANNA17@example.org'
-- params unknown: email = 'nobody@example.com'
SELECT id, full_name
FROM customers
WHERE email = :email;

-- name: ListTerminalPayments :many
-- owner: team-finance
-- expect: rows
-- weight: 90
-- params one_day: terminal_no = '0007', first = '2026-05-04', last = '2026-05-05'
SELECT id, order_id, paid_at, amount_cents
FROM payments
WHERE terminal_no = :terminal_no
  AND paid_at >= :first
  AND paid_at < :last
ORDER BY paid_at;

-- name: ListStockMovements :many
-- owner: team-logistics
-- expect: rows
-- weight: 40
-- params best_seller: product_id = 7
SELECT moved_at, quantity, reference
FROM stock_movements
WHERE product_id = :product_id
ORDER BY moved_at DESC
LIMIT 25;
