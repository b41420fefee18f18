-- From the cart to the order.

-- name: GetCart :many
-- owner: team-checkout
-- expect: rows
-- weight: 640
-- params three_lines: $1 = 23989
SELECT i.product_id, p.name, p.price_cents, i.quantity, k.updated_at
FROM shop.carts k
JOIN shop.cart_items i ON i.cart_id = k.id
JOIN shop.products p ON p.id = i.product_id
WHERE k.id = $1
ORDER BY i.added_at;

-- name: AddCartItem :exec
-- owner: team-checkout
-- expect: none
-- weight: 210
-- params new_line: $1 = 120, $2 = 7, $3 = 1
INSERT INTO shop.cart_items (cart_id, product_id, quantity)
VALUES ($1, $2, $3)
ON CONFLICT (cart_id, product_id) DO UPDATE SET quantity = cart_items.quantity + excluded.quantity;

-- name: GetCoupon :one
-- owner: team-checkout
-- expect: at most one row
-- weight: 45
-- params welcome: $1 = 'WELCOME-0010'
-- params mistyped: $1 = 'WELCOM-0010'
SELECT id, discount_percent, max_redemptions, valid_from, valid_until
FROM shop.coupons
WHERE code = $1;
