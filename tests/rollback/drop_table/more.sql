COMMENT ON TABLE orders IS 'what was bought';
COMMENT ON COLUMN orders.amount IS 'in euro';
GRANT SELECT ON orders TO reader; GRANT INSERT, UPDATE ON orders TO writer WITH GRANT OPTION;
GRANT SELECT (id) ON orders TO stranger;
ALTER TABLE orders SET (fillfactor = 70);
CREATE STATISTICS orders_stats (dependencies) ON customer_id, status FROM orders;
CREATE RULE no_delete AS ON DELETE TO orders WHERE OLD.amount > 100000 DO INSTEAD NOTHING;
