-- Both tables point at customers: the large one's index goes, the small one's too.
CREATE TABLE public.customers (id integer PRIMARY KEY);
INSERT INTO public.customers SELECT n FROM generate_series(1, 1000) AS n;
CREATE TABLE public.orders (id integer PRIMARY KEY, customer_id integer NOT NULL REFERENCES public.customers);
INSERT INTO public.orders SELECT n, n % 1000 + 1 FROM generate_series(1, 20000) AS n;
CREATE INDEX orders_customer_id_idx ON public.orders (customer_id);
CREATE TABLE public.letters (id integer PRIMARY KEY, customer_id integer NOT NULL REFERENCES public.customers);
INSERT INTO public.letters SELECT n, n FROM generate_series(1, 500) AS n;
CREATE INDEX letters_customer_id_idx ON public.letters (customer_id);
