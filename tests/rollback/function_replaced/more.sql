CREATE FUNCTION total(who bigint) RETURNS numeric LANGUAGE sql SECURITY DEFINER SET search_path = public COST 500 AS 'SELECT sum(amount) FROM public.orders WHERE customer_id = $1';
REVOKE EXECUTE ON FUNCTION total(bigint) FROM PUBLIC; GRANT EXECUTE ON FUNCTION total(bigint) TO reader;
COMMENT ON FUNCTION total(bigint) IS 'sum';
CREATE VIEW totals AS SELECT id, total(id) AS total FROM customers;
GRANT SELECT ON totals TO reader;
CREATE FUNCTION gone(int) RETURNS int LANGUAGE sql AS 'SELECT $1'; REVOKE ALL ON FUNCTION gone(int) FROM PUBLIC;
CREATE PROCEDURE work() LANGUAGE plpgsql AS 'BEGIN NULL; END';
CREATE FUNCTION changed(n int) RETURNS int LANGUAGE sql AS 'SELECT n';
