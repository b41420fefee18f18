CREATE ROLE app NOLOGIN;
ALTER ROLE app SET lock_timeout='5s';
GRANT CREATE ON SCHEMA public TO app;
CREATE TABLE public.par (a int, b text);
CREATE TABLE public.kid (c int) INHERITS (public.par);
INSERT INTO public.par SELECT g, 'p'||g FROM generate_series(1,10) g;
INSERT INTO public.kid SELECT g, 'k'||g, g FROM generate_series(1,20) g;
ALTER TABLE public.par OWNER TO app; ALTER TABLE public.kid OWNER TO app;
SELECT lo_from_bytea(777, 'hello'); ALTER LARGE OBJECT 777 OWNER TO app;
