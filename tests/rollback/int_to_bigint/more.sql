CREATE INDEX orders_quantity_idx ON orders (quantity);
CREATE VIEW quantities AS SELECT id, quantity FROM orders; DROP VIEW quantities;
