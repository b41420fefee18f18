CREATE ROLE app NOLOGIN;
ALTER ROLE app SET lock_timeout = '5s';
GRANT CREATE ON SCHEMA public TO app;
CREATE TABLE public.visits (id integer PRIMARY KEY, page text NOT NULL);
CREATE TABLE public.pages (id integer PRIMARY KEY, title text NOT NULL);
INSERT INTO public.visits SELECT n, '/page/' || n % 100 FROM generate_series(1, 12000) AS n;
CREATE PUBLICATION everything FOR TABLE public.visits;
ALTER TABLE public.visits OWNER TO app;
ALTER TABLE public.pages OWNER TO app;
