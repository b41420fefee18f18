COMMENT ON TABLE orders IS 'one a sale';
ALTER POLICY mine ON orders USING (tenant + 0 = 5 AND (SELECT count(*) FROM items) > 0);
