CREATE TABLE public.orders (id integer PRIMARY KEY, placed date NOT NULL, amount integer NOT NULL, note text NOT NULL);
INSERT INTO public.orders SELECT n, date '2025-01-01' + n / 400, n % 1000, repeat('x', 60) FROM generate_series(1, 60000) AS n;
CREATE INDEX orders_placed_idx ON public.orders (placed);
