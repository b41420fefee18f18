-- The shop window.

-- name: ListCategoryProducts :many
-- owner: team-catalog
-- expect: rows
-- weight: 1500
-- params crowded: category_id = 10
-- params quiet: category_id = 44
SELECT id, sku, name, price_cents
FROM shop.products
WHERE category_id = :category_id
  AND status = 'active'
ORDER BY price_cents, id
LIMIT 24;

-- name: SearchProductsByName :many
-- owner: team-catalog
-- expect: rows
-- weight: 700
-- params two_words: prefix = 'Oak Ch%'
-- params rare: prefix = 'Walnut Kettle 1%'
SELECT id, name, price_cents, category_name
FROM shop.active_products
WHERE name LIKE :prefix
ORDER BY name
LIMIT 10;

-- name: FindProductsByTags :many
-- owner: team-catalog
-- expect: rows
-- weight: 110
-- params refurbished: tags = '{refurbished,eco}'
-- params season: tags = ARRAY['handmade', 'season-2026']
SELECT id, sku, name, tags, price_cents
FROM shop.products
WHERE tags @> :tags::text[]
ORDER BY price_cents DESC, id
LIMIT 20;

-- name: ListBestSellers :many
-- owner: team-catalog
-- expect: rows
-- weight: 600
SELECT p.id, p.name, p.price_cents, s.units_sold
FROM shop.product_sales s
JOIN shop.products p ON p.id = s.product_id
WHERE p.status = 'active'
ORDER BY s.units_sold DESC
LIMIT 12;

-- name: ListProductReviews :many
-- owner: team-catalog
-- expect: rows
-- weight: 800
-- params best_seller: product_id = 7
-- params slow_seller: product_id = 8123
SELECT r.id, r.rating, r.title, r.body, r.helpful_votes, r.created_at
FROM shop.product_reviews r
WHERE r.product_id = :product_id
ORDER BY r.created_at DESC
LIMIT 10;
