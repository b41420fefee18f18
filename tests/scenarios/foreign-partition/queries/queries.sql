-- name: RecentOrders
SELECT count(*) FROM orders WHERE year = 2026;
