CREATE STATISTICS st1 (mcv) ON status, quantity FROM orders; COMMENT ON STATISTICS st1 IS 'st'; CREATE STATISTICS st3 ON customer_id, quantity FROM orders;
CREATE PUBLICATION pub2 FOR TABLE orders, customers;
