-- The role has no lock_timeout.
CREATE ROLE app NOLOGIN;
GRANT CREATE ON SCHEMA public TO app;
CREATE TABLE public.visits (id integer PRIMARY KEY, page text NOT NULL);
INSERT INTO public.visits SELECT n, '/page/' || n % 100 FROM generate_series(1, 12000) AS n;
ALTER TABLE public.visits OWNER TO app;
