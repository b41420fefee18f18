CREATE OR REPLACE FUNCTION total(who bigint) RETURNS numeric LANGUAGE sql STABLE AS 'SELECT 2 * sum(amount) FROM public.orders WHERE customer_id = $1';
CREATE OR REPLACE VIEW totals AS SELECT id, total(id) + 1 AS total FROM customers;
DROP FUNCTION gone(int);
CREATE FUNCTION made() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE OR REPLACE PROCEDURE work() LANGUAGE plpgsql AS 'BEGIN NULL; NULL; END';
DROP FUNCTION changed(int);
CREATE FUNCTION changed(n int) RETURNS bigint LANGUAGE sql AS 'SELECT n::bigint';
