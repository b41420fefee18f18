-- One row for each product page that was looked at. A month is a partition, so that old months can go.

CREATE TABLE shop.page_views (
    id bigserial,
    viewed_at timestamp with time zone NOT NULL,
    product_id bigint NOT NULL,
    customer_id bigint,
    device text NOT NULL,
    referrer text,
    CONSTRAINT page_views_pkey PRIMARY KEY (viewed_at, id)
)
PARTITION BY RANGE (viewed_at);

COMMENT ON TABLE shop.page_views IS 'Kept for twelve months. Product and customer may be gone, so nothing refers to them.';

CREATE INDEX page_views_product_id_viewed_at_idx ON shop.page_views (product_id, viewed_at);

CREATE TABLE shop.page_views_2026_02 PARTITION OF shop.page_views
    FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00');
CREATE TABLE shop.page_views_2026_03 PARTITION OF shop.page_views
    FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');
CREATE TABLE shop.page_views_2026_04 PARTITION OF shop.page_views
    FOR VALUES FROM ('2026-04-01 00:00:00+00') TO ('2026-05-01 00:00:00+00');
CREATE TABLE shop.page_views_2026_05 PARTITION OF shop.page_views
    FOR VALUES FROM ('2026-05-01 00:00:00+00') TO ('2026-06-01 00:00:00+00');
CREATE TABLE shop.page_views_2026_06 PARTITION OF shop.page_views
    FOR VALUES FROM ('2026-06-01 00:00:00+00') TO ('2026-07-01 00:00:00+00');
