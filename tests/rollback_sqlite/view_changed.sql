-- verdict: exact
-- migration
DROP VIEW open_orders;
CREATE VIEW open_orders AS SELECT id FROM orders;
