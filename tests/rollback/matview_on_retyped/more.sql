CREATE MATERIALIZED VIEW sums AS SELECT customer_id, sum(quantity) AS q FROM orders GROUP BY 1; CREATE UNIQUE INDEX sums_key ON sums (customer_id); GRANT SELECT ON sums TO reader;
