CREATE TABLE public.orders (id integer PRIMARY KEY, status text NOT NULL, amount integer NOT NULL, padding text NOT NULL);
INSERT INTO public.orders
SELECT n, CASE n % 3 WHEN 0 THEN 'mid' WHEN 1 THEN 'new' ELSE 'paid' END, n % 1000, repeat('x', 60)
FROM generate_series(1, 40000) AS n;
CREATE INDEX orders_status_idx ON public.orders (status);
