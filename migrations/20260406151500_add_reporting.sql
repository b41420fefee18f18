-- Views for the back office and for the people who only read.

CREATE VIEW shop.active_products AS
SELECT p.id, p.sku, p.name, p.price_cents, c.slug AS category_slug, c.name AS category_name
FROM shop.products p
JOIN shop.categories c ON c.id = p.category_id
WHERE p.status = 'active';

CREATE VIEW shop.order_totals AS
SELECT o.id AS order_id, o.customer_id, o.status, o.placed_at,
       count(*) AS line_count,
       sum(i.quantity) AS units,
       sum(i.quantity * i.unit_price_cents) AS items_cents
FROM shop.orders o
JOIN shop.order_items i ON i.order_id = o.id
GROUP BY o.id, o.customer_id, o.status, o.placed_at;

CREATE MATERIALIZED VIEW shop.product_sales AS
SELECT i.product_id,
       sum(i.quantity) AS units_sold,
       sum(i.quantity::bigint * i.unit_price_cents) AS revenue_cents,
       max(o.placed_at) AS last_sold_at
FROM shop.order_items i
JOIN shop.orders o ON o.id = i.order_id
WHERE o.status <> ALL (ARRAY['cancelled'::shop.order_status, 'refunded'::shop.order_status])
GROUP BY i.product_id;

COMMENT ON MATERIALIZED VIEW shop.product_sales IS 'Refreshed every night.';

CREATE UNIQUE INDEX product_sales_product_id_idx ON shop.product_sales (product_id);
CREATE INDEX product_sales_units_sold_idx ON shop.product_sales (units_sold DESC);

CREATE FUNCTION shop.order_total_cents(wanted_order_id bigint) RETURNS bigint
    LANGUAGE sql STABLE
    AS $$
    SELECT coalesce(sum(i.quantity::bigint * i.unit_price_cents), 0)::bigint
    FROM shop.order_items i
    WHERE i.order_id = wanted_order_id
$$;

COMMENT ON FUNCTION shop.order_total_cents(bigint) IS 'What the lines of an order add up to.';

GRANT USAGE ON SCHEMA shop TO shop_reader;
GRANT USAGE ON SCHEMA warehouse TO shop_reader;
GRANT SELECT ON shop.products, shop.categories, shop.active_products, shop.product_sales TO shop_reader;
GRANT SELECT ON warehouse.warehouses, warehouse.stock_levels TO shop_reader;
