UPDATE payments SET amount_cents = amount_cents + 1 WHERE id <= 500;
CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_reference_idx ON orders (reference);
