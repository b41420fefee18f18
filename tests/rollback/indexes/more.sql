CREATE UNIQUE INDEX orders_unique ON orders (id, customer_id);
CREATE INDEX orders_brin ON orders USING brin (id) WITH (pages_per_range = 16);
COMMENT ON INDEX orders_brin IS 'small';
CREATE INDEX orders_fill ON orders (amount) WITH (fillfactor = 90);
CREATE INDEX orders_old_name ON orders (quantity DESC NULLS LAST, note COLLATE "C") INCLUDE (amount) WHERE quantity > 2;
