CREATE ROLE app NOLOGIN;
ALTER ROLE app SET lock_timeout = '5s';
GRANT CREATE ON SCHEMA public TO app;
CREATE ROLE web NOLOGIN;
CREATE TABLE public.documents (id integer PRIMARY KEY, tenant integer NOT NULL, title text NOT NULL);
INSERT INTO public.documents SELECT n, n % 40, 'title ' || n FROM generate_series(1, 2000) AS n;
CREATE INDEX documents_tenant_idx ON public.documents (tenant);
ALTER TABLE public.documents OWNER TO app;
GRANT SELECT ON public.documents TO web;
