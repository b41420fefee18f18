-- no-transaction
-- fails
CREATE UNIQUE INDEX CONCURRENTLY orders_quantity_unique ON orders (quantity);
