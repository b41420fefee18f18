CREATE TABLE public.orders (id integer PRIMARY KEY, amount integer NOT NULL, padding text NOT NULL);
INSERT INTO public.orders SELECT n, n % 1000, repeat('x', 60) FROM generate_series(1, 20000) AS n;
CREATE FUNCTION public.amount_of(wanted integer) RETURNS integer LANGUAGE plpgsql STABLE
AS $$ BEGIN RETURN (SELECT amount FROM public.orders WHERE id = wanted); END $$;
CREATE TABLE public.plain (id integer PRIMARY KEY);
INSERT INTO public.plain SELECT n FROM generate_series(1, 100) AS n;
