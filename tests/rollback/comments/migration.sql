COMMENT ON TABLE orders IS NULL; COMMENT ON COLUMN orders.note IS 'new';
COMMENT ON COLUMN orders.status IS 'it''s \ odd'; COMMENT ON INDEX orders_customer_id_idx IS 'idx';
COMMENT ON CONSTRAINT orders_amount_check ON orders IS 'c'; COMMENT ON SCHEMA shop IS 'shop'; COMMENT ON VIEW v IS NULL;
COMMENT ON FUNCTION f() IS 'x'; COMMENT ON TYPE mood IS 'x'; COMMENT ON SEQUENCE s IS 'x'; COMMENT ON TRIGGER t ON orders IS 'x'; COMMENT ON POLICY p ON orders IS NULL;
