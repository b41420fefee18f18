-- verdict: exact
-- migration
DROP INDEX orders_by_customer;
DROP INDEX dear_orders;
CREATE INDEX dear_orders ON orders (total) WHERE total > 50;
