CREATE VIEW emails AS SELECT email FROM customers;
ALTER TABLE customers OWNER TO archivist;
CREATE FUNCTION first_customer() RETURNS customers LANGUAGE sql STABLE AS 'SELECT * FROM public.customers ORDER BY id LIMIT 1';
