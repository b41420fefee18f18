CREATE ROLE app NOLOGIN;
ALTER ROLE app SET lock_timeout = '5s';
GRANT CREATE ON SCHEMA public TO app;
CREATE TABLE public.documents (id integer PRIMARY KEY, tenant integer NOT NULL, body text NOT NULL);
INSERT INTO public.documents SELECT n, n % 10, 'body ' || n FROM generate_series(1, 2000) AS n;
ALTER TABLE public.documents OWNER TO app;
CREATE POLICY documents_of_tenant ON public.documents USING (tenant = 1);
ALTER TABLE public.documents ENABLE ROW LEVEL SECURITY;
