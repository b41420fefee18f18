-- Every tenth order is customer 7's; the others are spread over 4,000 customers.
CREATE TABLE public.orders (id integer PRIMARY KEY, customer_id integer NOT NULL, amount integer NOT NULL, padding text NOT NULL);
INSERT INTO public.orders
SELECT n, CASE WHEN n % 10 = 0 THEN 7 ELSE (n::bigint * 7919 % 4000)::integer END, n % 1000, repeat('x', 60)
FROM generate_series(1, 60000) AS n;
CREATE INDEX orders_customer_id_idx ON public.orders (customer_id);
