-- Numbers and letters.

-- name: ListMostViewedProducts :many
-- owner: team-marketing
-- expect: rows
-- weight: 2
-- params april: $1 = '2026-04-01 00:00:00+00', $2 = '2026-05-01 00:00:00+00'
SELECT product_id, count(*) AS views, count(customer_id) AS by_customers
FROM shop.page_views
WHERE viewed_at >= $1
  AND viewed_at < $2
GROUP BY product_id
ORDER BY views DESC, product_id
LIMIT 10;

-- name: ListNewSubscribers :many
-- owner: team-marketing
-- expect: rows
-- weight: 1
-- params week: $1 = '2026-05-18 00:00:00+00', $2 = '2026-05-25 00:00:00+00'
SELECT email, locale, subscribed_at
FROM shop.newsletter_subscribers
WHERE subscribed_at >= $1
  AND subscribed_at < $2
  AND unsubscribed_at IS NULL
ORDER BY subscribed_at;
