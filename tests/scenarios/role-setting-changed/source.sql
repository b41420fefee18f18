CREATE TABLE public.orders (id integer PRIMARY KEY, status text NOT NULL, padding text NOT NULL);
INSERT INTO public.orders SELECT n, CASE WHEN n % 500 = 0 THEN 'open' ELSE 'done' END, repeat('x', 60) FROM generate_series(1, 30000) AS n;
CREATE INDEX orders_status_idx ON public.orders (status);
