CREATE ROLE web NOLOGIN;
CREATE TABLE public.items (id integer PRIMARY KEY, qty integer NOT NULL, padding text NOT NULL);
INSERT INTO public.items SELECT n, n % 50, repeat('x', 60) FROM generate_series(1, 20000) AS n;
CREATE INDEX items_qty_idx ON public.items (qty);
CREATE TABLE public.orders (id integer PRIMARY KEY, tenant integer NOT NULL, note text);
INSERT INTO public.orders SELECT n, n % 100, 'n' FROM generate_series(1, 5000) AS n;
CREATE INDEX orders_tenant_idx ON public.orders (tenant);
